"""The language task: its source against brute force, its network against plain loops, its runs against each other."""

import math

import numpy as np
import pytest
import torch

from lrlib import evaluate_weights, fit, initial_model, sweep, tasks

SMALL = dict(train=40, valid=8, test=8, context=4, symbols=5, width=8, batch=4, steps=6)


def normalised(h, norm):
    """Layer normalisation of one vector, written out."""
    mean = sum(h) / len(h)
    spread = math.sqrt(sum((v - mean) ** 2 for v in h) / len(h) + norm.eps)
    return [(v - mean) / spread * w + b for v, w, b in zip(h, norm.weight.tolist(), norm.bias.tolist())]


def mapped(h, layer):
    return [sum(w * v for w, v in zip(row, h)) + b for row, b in zip(layer.weight.tolist(), layer.bias.tolist())]


def attended(rows, attention):
    """Causal attention by loops over heads, places and the places before them."""
    width, size = len(rows[0]), len(rows[0]) // attention.heads
    mixed = [[0.0] * width for _ in rows]
    parts = [mapped(h, attention.incoming) for h in rows]
    for first in range(0, width, size):
        for t in range(len(rows)):
            score = [
                sum(parts[t][first + i] * parts[s][width + first + i] for i in range(size)) / math.sqrt(size)
                for s in range(t + 1)
            ]
            weight = [math.exp(v) for v in score]
            for i in range(size):
                value = sum(w * parts[s][2 * width + first + i] for s, w in enumerate(weight))
                mixed[t][first + i] = value / sum(weight)
    return [mapped(h, attention.outgoing) for h in mixed]


def read(model, symbols):
    """The network on one piece, by loops."""
    rows = [(model.symbols[c] + model.places[t]).tolist() for t, c in enumerate(symbols)]
    for block in model.blocks:
        more = attended([normalised(h, block.before_attention) for h in rows], block.attention)
        rows = [[a + b for a, b in zip(*pair)] for pair in zip(rows, more)]
        hidden = [[max(v, 0.0) for v in mapped(normalised(h, block.before_mlp), block.mlp[0])] for h in rows]
        rows = [[a + b for a, b in zip(h, mapped(u, block.mlp[2]))] for h, u in zip(rows, hidden)]
    return [mapped(normalised(h, model.norm), model.readout) for h in rows]


def test_the_network_is_causal_attention_as_it_is_written_with_loops():
    torch.manual_seed(0)
    model = tasks.CausalTransformer(classes=5, context=6, width=8, blocks=2, heads=2).double()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn_like(p))  # biases and scales that do something
        x = torch.randint(5, (3, 6))
        expected = [read(model, piece) for piece in x.tolist()]
        np.testing.assert_allclose(model(x).numpy(), expected, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(model(x[:, :4]).numpy(), model(x)[:, :4].numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("symbols, contrast", [(3, 2.0), (4, 5.0), (3, 0.0)])
def test_entropies_are_those_of_the_chain_of_pairs(symbols, contrast):
    details = tasks.character_transformer(**SMALL | dict(symbols=symbols, contrast=contrast, source=3)).details
    p = details["probabilities"].numpy()
    assert np.allclose(p.sum(-1), 1)
    chain = np.zeros((symbols**2, symbols**2))
    for a, b, c in np.ndindex(p.shape):
        chain[a * symbols + b, b * symbols + c] = p[a, b, c]
    pairs = np.linalg.matrix_power(chain, 4096)[0].reshape(symbols, symbols)
    entropy = sum(-pairs[a, b] * p[a, b, c] * math.log(p[a, b, c]) for a, b, c in np.ndindex(p.shape))
    single = pairs.sum(0)
    none = -(single * np.log(single)).sum()
    one = -(pairs * np.log(pairs)).sum() - none  # H(a, b) − H(a)
    assert [details[n] for n in ("entropy", "entropy_one", "entropy_none")] == pytest.approx(
        [entropy, one, none], abs=1e-10
    )
    assert (contrast == 0) == (none - entropy < 1e-9)


def test_pieces_follow_the_source_from_their_first_place_on():
    task = tasks.character_transformer(train=40_000, valid=8, test=8, context=3, symbols=3, contrast=4.0)
    p, (x, y) = task.details["probabilities"].numpy(), task.train_for(0)
    assert torch.equal(x[:, 1:], y[:, :-1])
    code = (9 * x[:, :-1] + 3 * x[:, 1:] + y[:, 1:]).numpy()
    for place in range(2):
        seen = np.bincount(code[:, place], minlength=27).reshape(3, 3, 3) / len(x)
        pairs = seen.sum(-1)
        assert np.abs(seen - pairs[..., None] * p).max() < 0.01
        assert np.abs(pairs.sum(0) - pairs.sum(1)).max() < 0.01, "begun in the stationary state"


def test_no_scores_beat_the_optimum_and_the_true_ones_reach_it():
    task = tasks.character_transformer(train=20_000, valid=8, test=8, context=4, symbols=4, contrast=4.0)
    p, (x, y) = task.details["probabilities"].float(), task.train_for(1)
    first = torch.einsum("ab,abc->bc", torch.bincount(4 * x[:, 0] + x[:, 1], minlength=16).view(4, 4) / len(x), p)
    first = (first / first.sum(-1, keepdim=True)).log()[x[:, :1]]
    best = torch.cat([first, p.log()[x[:, :-1], x[:, 1:]]], dim=1)
    assert tasks.symbol_loss(best, y).item() == pytest.approx(task.optimum, abs=0.02)
    assert task.optimum > task.details["entropy"]


def test_each_seed_draws_its_own_pieces_and_all_share_the_test():
    one, two = (tasks.character_transformer(**SMALL) for _ in range(2))
    assert torch.equal(one.train_for(3)[0], two.train_for(3)[0]) and torch.equal(one.test[1], two.test[1])
    assert not torch.equal(one.train_for(3)[0], one.train_for(4)[0])
    shared = tasks.character_transformer(**SMALL, fresh=False)
    assert torch.equal(shared.train_for(3)[0], one.train_for(0)[0])


def test_parts_of_a_text_of_ones_own_do_not_overlap():
    text = "".join(chr(0x4E00 + i) for i in range(400))  # every character once, so a piece shows its place
    task = tasks.character_transformer(50, 20, 20, context=5, text=text)
    x, y = task.train_for(0)
    assert torch.equal(x[:, 1:], y[:, :-1]) and (y - x == 1).all()
    assert (x.min() >= 0 and y.max() < 320) and (task.valid[0].min() >= 320 and task.valid[1].max() < 360)
    assert task.test[0].min() >= 360 and (task.optimum, list(task.details)) == (None, ["alphabet"])


@pytest.mark.parametrize("rule", ["momentum", "adam"])
def test_a_sweep_is_its_single_runs(rule):
    task, double = tasks.character_transformer(**SMALL), dict(dtype=torch.float64)
    swept = sweep(task, rule, lr=[0.01, 0.05], seeds=2, evaluate=[0, 6], path="eager", **double)
    for lane, (lr, seed) in enumerate(zip(swept.lr0, swept.seed)):
        alone = fit(task, rule, lr=float(lr), seed=int(seed), evaluate=[0, 6], **double)
        np.testing.assert_allclose(swept.loss[lane], alone.loss[0], rtol=1e-10)
        np.testing.assert_allclose(swept.evaluations["test_loss"][lane], alone.evaluations["test_loss"][0], rtol=1e-10)
    values = evaluate_weights(task, swept)
    np.testing.assert_allclose(values["test_loss"], swept.evaluations["test_loss"][:, -1], rtol=1e-10)
    np.testing.assert_allclose(values["train_metric"], swept.evaluations["train_metric"][:, -1])


def test_the_traced_step_of_a_compiled_sweep_is_the_eager_one(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda graph, **_: graph)
    task = tasks.character_transformer(**SMALL)
    eager, traced = (
        sweep(task, "sgd", lr=[0.1, 0.3], seeds=2, dtype=torch.float64, path=path) for path in ("eager", "compiled")
    )
    assert traced.path == "compiled", traced.path_reason
    np.testing.assert_allclose(traced.loss, eager.loss, rtol=1e-10)


def test_the_network_learns_more_than_one_symbol_tells():
    task = tasks.character_transformer(train=300, valid=8, test=200, context=4, symbols=4, contrast=5.0, width=16)
    record = sweep(task, "adam", lr=0.02, seeds=1, steps=120, evaluate=[0, 120], path="eager")
    before, after = record.evaluations["test_loss"][0]
    assert task.optimum < after < task.details["entropy_one"] < before


def test_the_loss_is_a_mean_over_all_places():
    output, y = torch.randn(3, 4, 5, dtype=torch.float64), torch.randint(5, (3, 4))
    expected = np.mean([-output[i, t].log_softmax(-1)[y[i, t]].item() for i, t in np.ndindex(3, 4)])
    assert tasks.symbol_loss(output, y).item() == pytest.approx(expected, rel=1e-12)
    assert tasks.accuracy(torch.eye(5)[y], y) == 1


@pytest.mark.parametrize(
    "options, error, message",
    [
        (dict(symbols=27), ValueError, "symbols must be from 2 to 26; got 27"),
        (dict(symbols=1), ValueError, "symbols must be a whole number of at least 2; got 1"),
        (dict(contrast=-1.0), ValueError, "contrast"),
        (dict(context=0), ValueError, "context"),
        (dict(width=9, heads=2), ValueError, "width must be a multiple of heads, 2; got 9"),
        (dict(valid=0), ValueError, "valid"),
        (dict(train=2.5), TypeError, "train"),
        (dict(source=-1), ValueError, "source"),
        (dict(text=b"bytes"), TypeError, "text must be a str"),
        (dict(text="to be or not to be"), ValueError, "got 7, and 2 in the shortest part"),
        (dict(text="a" * 500), ValueError, "two characters or more"),
    ],
)
def test_wrong_arguments_are_named(options, error, message):
    with pytest.raises(error, match=message):
        tasks.character_transformer(**options)


@pytest.mark.parametrize(
    "x", [torch.zeros(2, 5, dtype=torch.long), torch.zeros(2, 4), torch.zeros(4, dtype=torch.long)]
)
def test_inputs_that_it_cannot_read_are_named(x):
    with pytest.raises(ValueError, match="integers .n, T. with T from 1 to 4"):
        tasks.CausalTransformer(classes=3, context=4)(x)


def test_first_weights_come_from_the_seed_and_have_their_size():
    task = tasks.character_transformer(width=64, blocks=2)
    one, two = (initial_model(task, 5) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters()))
    assert one.blocks[0].mlp[0].weight.std().item() == pytest.approx(1 / 8, rel=0.1)
    assert one.blocks[1].mlp[2].weight.std().item() == pytest.approx(1 / 32, rel=0.1), "1/√256, halved for two blocks"
