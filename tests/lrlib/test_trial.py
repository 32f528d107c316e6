"""A task is tried on two examples before a run: what a run would fail on, or learn nothing by, is one sentence."""

import copy
import dataclasses
import math
import random
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
import torch
from torch import nn

from lrlib import cosine, find, fit, linear, sweep, tasks
from lrlib.__main__ import main
from lrlib._base.streams import initial_model
from lrlib.runs.description import describe

CLASSES = nn.functional.cross_entropy
RUNS = {
    "fit": lambda task, **more: fit(task, "sgd", lr=0.1, steps=2, **more),
    "sweep": lambda task, **more: sweep(task, "sgd", lr=[0.1, 0.2], seeds=2, steps=2, **more),
    "loop": lambda task, **more: sweep(task, "sgd", lr=[0.1, 0.2], steps=2, path="loop", **more),
    "find": lambda task, **more: find(task, seeds=2, steps=4, **more),
}


def task(**change):
    x = torch.randn(12, 3, generator=torch.Generator().manual_seed(0))
    usual = {
        "name": "mine",
        "model": lambda: tasks.mlp([3, 4, 2]),
        "train": (x, torch.arange(12) % 2),
        "valid": (x, torch.arange(12) % 2),
        "test": None,
        "loss": CLASSES,
        "metric": tasks.accuracy,
        "batch": 4,
        "steps": 10,
    }
    return tasks.Task(**usual | change)


class Shared(nn.Module):
    """A layer whose weights, or a buffer that it counts in, are those of every other."""

    def __init__(self, weight=None, counter=None, mask=None):
        super().__init__()
        self.layer = nn.Linear(3, 2)
        if weight is not None:
            self.layer.weight = weight if isinstance(weight, nn.Parameter) else nn.Parameter(weight)
        self.register_buffer("counter", torch.zeros(1) if counter is None else counter)
        self.register_buffer("mask", torch.ones(3) if mask is None else mask)

    def forward(self, x):
        self.counter += 1
        return self.layer(x * self.mask)


def frozen(model):
    for p in model.parameters():
        p.requires_grad_(False)
    return model


def detached(output, y):
    return CLASSES(output, y).detach()


ONE, WEIGHT, COUNTER = nn.Linear(3, 2), torch.randn(2, 3), torch.zeros(1)
MASK = torch.ones(3)
ELSEWHERE = nn.Linear(3, 2)
ROWS = task().train[0]
WRONG = {
    "one network": ({"model": lambda: ONE}, "model gives one network again .* build the network inside the function"),
    "one parameter": ({"model": lambda: Shared(ONE.weight)}, "model gives the parameter layer.weight again"),
    "one tensor": ({"model": lambda: Shared(WEIGHT)}, "model gives the parameter layer.weight again"),
    "one layer": ({"model": lambda: nn.Sequential(nn.Linear(3, 3), ONE)}, "model gives the parameter 1.weight again"),
    "one counter": ({"model": lambda: Shared(counter=COUNTER)}, "model gives the buffer counter again"),
    "no network": ({"model": lambda: 3}, "model must be a function that returns a torch.nn.Module; it returned int"),
    "a class": ({"model": lambda: nn.Linear}, "model must be a function .* it returned type"),
    "no parameters": ({"model": lambda: nn.Flatten()}, "model has no parameters"),
    "empty parameters": ({"model": lambda: nn.Linear(3, 0)}, "model has no parameters"),
    "frozen": ({"model": lambda: frozen(nn.Linear(3, 2))}, "model has only frozen parameters"),
    "complex": ({"model": lambda: nn.Linear(3, 2, dtype=torch.complex64)}, "model must have real .* torch.complex64"),
    "other inputs": ({"model": lambda: nn.Linear(5, 2)}, r"model does not take x of train, torch.float32 of shape"),
    "whole x": ({"train": (torch.ones(12, 3).long(), torch.arange(12) % 2)}, "model does not take .* x.float()"),
    "true x": ({"train": (torch.ones(12, 3).bool(), torch.arange(12) % 2)}, "model does not take .* x.float()"),
    "vector loss": ({"loss": nn.CrossEntropyLoss(reduction="none")}, r"loss must give one number.* \(2,\)"),
    "one-element loss": ({"loss": lambda o, y: CLASSES(o, y)[None]}, r"loss must give one number.* \(1,\)"),
    "pair as loss": ({"loss": lambda o, y: (CLASSES(o, y), 0)}, "loss must give one real number; it gave tuple"),
    "number as loss": ({"loss": lambda o, y: CLASSES(o, y).item()}, "loss must give a floating-point tensor"),
    "accuracy as loss": ({"loss": lambda o, y: (o.argmax(1) == y).sum()}, "loss must give a floating-point tensor"),
    "complex loss": ({"loss": lambda o, y: CLASSES(o, y) * 1j}, "loss must give one real number"),
    "detached loss": ({"loss": detached}, "loss has no gradient"),
    "detached, with a penalty": ({"loss": detached, "l2": 0.1}, "loss has no gradient"),
    "other weights": ({"loss": lambda o, y: CLASSES(ELSEWHERE(ROWS[: len(y)]), y)}, "loss has no gradient"),
    "failing loss": ({"loss": lambda o, y: CLASSES(o, y, nothing=1)}, "loss fails on the network's output"),
    "vector metric": ({"metric": lambda o, y: (o.argmax(1) == y).float()}, r"metric must give one number.* \(2,\)"),
    "no metric": ({"metric": lambda o, y: None}, "metric must give one real number; it gave NoneType"),
    "word as metric": ({"metric": lambda o, y: "good"}, "metric must give one real number; it gave str"),
    "failing metric": ({"metric": lambda o, y: o.nothing}, "an evaluation of train fails in model, loss or metric"),
    "other valid": ({"valid": (torch.ones(4, 5), torch.ones(4).long())}, "an evaluation of valid fails"),
    "other test": ({"test": (torch.ones(4, 3), torch.ones(4, 7))}, "an evaluation of test fails"),
}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("wrong", WRONG)
def test_a_task_that_cannot_be_trained_is_named_before_the_first_step(wrong, run):
    change, match = WRONG[wrong]
    with pytest.raises((TypeError, ValueError), match=rf"^task 'mine': {match}"):
        RUNS[run](task(**change))


def test_the_command_line_says_the_same(tmp_path, monkeypatch, capsys):
    (tmp_path / "own_wrong_task.py").write_text(
        "import torch\nfrom lrlib import tasks\nnet = torch.nn.Linear(3, 2)\n"
        "mine = tasks.Task('mine', lambda: net, (torch.ones(4, 3), torch.ones(4).long()), None, None,\n"
        "                  torch.nn.functional.cross_entropy, tasks.accuracy, 2, 2)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["sweep", "own_wrong_task:mine", "--lr", "0.1"]) != 0
    assert "model gives one network again" in capsys.readouterr().err


class Needs(nn.Module):
    """A loss or metric that two examples are too few for."""

    def __init__(self, function, least):
        super().__init__()
        self.function, self.least = function, least

    def forward(self, output, y):
        if len(y) < self.least:
            raise ValueError("too few")
        return self.function(output, y)


class Whitened(nn.Module):
    """A layer that divides by the spread of its inputs, of which two examples have too little."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x):
        if len(x) < 3:
            raise ValueError("too few")
        return self.layer((x - x.mean(0)) / x.std(0))


MORE = {
    "a loss of a batch": {"loss": Needs(CLASSES, 4)},
    "a loss of all examples": {"loss": Needs(CLASSES, 12), "batch": None},
    "a model of more than two examples": {"model": Whitened},
}
FINE = MORE | {
    "a metric of all classes": {"metric": Needs(tasks.accuracy, 5)},
    "a metric that is a plain number": {"metric": lambda o, y: float(tasks.accuracy(o, y))},
    "a metric in whole numbers": {"metric": lambda o, y: (o.argmax(1) == y).sum()},
    "a copy of one network": {"model": lambda: copy.deepcopy(ONE)},
    "a constant that all share": {"model": lambda: Shared(mask=MASK)},
    "a frozen layer": {"model": lambda: nn.Sequential(frozen(nn.Linear(3, 3)), nn.Linear(3, 2))},
    "a batch norm": {"model": lambda: nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))},
    "a batch of one": {"batch": 1},
    "a penalty": {"l1": 0.1, "l2": 0.1},
}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("change", FINE)
def test_what_can_be_trained_is_taken(change, run):
    RUNS[run](task(**FINE[change]))


@pytest.mark.parametrize("change", MORE)
def test_what_two_examples_are_too_few_for_is_trained_alike_on_every_path_and_kept(change, tmp_path):
    one, how = task(**MORE[change]), {"lr": 0.1, "steps": 3, "dtype": torch.float64}
    alone = fit(one, **how)
    paths = {path: sweep(one, path=path, **how) for path in ("auto", "loop")}
    assert paths["auto"].path == "eager", paths["auto"].path_reason
    kept = [fit(one, checkpoint=tmp_path / "run.pt", **how), sweep(one, folder=tmp_path / "parts", **how)]
    for record in (*paths.values(), *kept):
        np.testing.assert_allclose(record.loss, alone.loss, rtol=1e-12)


def test_a_loss_with_chance_that_two_examples_are_too_few_for_draws_from_the_seed():
    def drawn(output, y):
        return CLASSES(output, y) + torch.rand(())

    one, other = (fit(task(loss=loss), lr=0.1, steps=3) for loss in (Needs(drawn, 4), drawn))
    assert one == other and np.array_equal(one.loss, sweep(task(loss=Needs(drawn, 4)), lr=0.1, steps=3).loss)


def test_a_loss_that_two_examples_are_too_few_for_is_tried_on_a_batch():
    describe(task(loss=Needs(CLASSES, 4)))
    with pytest.raises(ValueError, match="loss fails .* too few"):
        describe(task(loss=Needs(CLASSES, 5)))


def test_a_trial_leaves_random_states_gradients_and_buffers_alone():
    mask = torch.ones(3)

    def drawing(output, y):
        random.random(), np.random.rand(), torch.rand(1)
        return CLASSES(output, y)

    one = task(model=lambda: nn.Sequential(Shared(mask=mask), nn.Dropout(0.5)), loss=drawing)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    describe(one)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (random.getstate(), np.random.get_state()[1].tolist())
    assert torch.equal(mask, torch.ones(3)) and mask.grad is None
    counter = torch.zeros(1)
    with pytest.raises(ValueError, match="counter"):
        describe(task(model=lambda: Shared(counter=counter)))
    assert not counter.any()
    weight = nn.Parameter(torch.ones(2, 3))
    with pytest.raises(ValueError, match="layer.weight"):
        describe(task(model=lambda: Shared(weight)), dtype=torch.float64)
    assert weight.grad is None and weight.dtype == torch.float32 and bool((weight == 1).all())


def test_a_threshold_or_a_sweep_in_parts_tries_once():
    calls = []

    def model():
        calls.append(1)
        return nn.Linear(3, 2)

    described = describe(task(model=model), lr=[0.1, 0.2], seeds=2)
    made = len(calls)
    described.at([0.3]), described.part([1])
    assert len(calls) == made


def lazy(dropout=0.0):
    return nn.Sequential(nn.LazyLinear(4), nn.LazyBatchNorm1d(), nn.ReLU(), nn.Dropout(dropout), nn.LazyLinear(2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_lazy_layers_start_from_the_weights_of_the_seed(dtype):
    one, other = task(model=lazy), task(model=lambda: lazy(0.5))
    weights = [initial_model(one, seed, dtype).state_dict() for seed in (0, 1, 1)]
    assert not torch.equal(weights[0]["0.weight"], weights[1]["0.weight"])
    assert all(map(torch.equal, weights[1].values(), weights[2].values()))
    assert all(map(torch.equal, weights[1].values(), initial_model(other, 1, dtype).state_dict().values()))
    assert weights[0]["0.weight"].dtype == dtype and weights[0]["1.num_batches_tracked"] == 0
    lanes = sweep(one, "sgd", lr=[0.1, 0.2], seeds=2, steps=3, dtype=dtype)
    assert lanes.path == "eager"
    for lane in range(4):
        alone = fit(one, "sgd", lr=float(lanes.lr0[lane]), seed=int(lanes.seed[lane]), steps=3, dtype=dtype)
        assert np.allclose(alone.loss[0], lanes.loss[lane], rtol=1e-5)


def test_a_plan_that_is_zero_throughout_is_refused():
    for run in (fit, sweep):
        with pytest.raises(ValueError, match="^plan is 0 at each of the 4 steps"):
            run(task(), lr=0.1, steps=4, plan=lambda t: 0.0)


@pytest.mark.parametrize("run", [fit, sweep])
def test_a_plan_that_ends_in_zero_before_the_run_does_is_said(run):
    def said(steps, plan):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            describe(task(), lr=0.1, steps=steps, plan=plan)
        return [str(one.message) for one in found if one.category is UserWarning]

    (words,) = said(60, cosine(50))
    assert "ends after 50 of the 60 steps" in words and "last 10" in words and "plan.resize(60)" in words
    for plan in (
        cosine(60),
        cosine(59),
        cosine(90),
        cosine(60) >> linear(5),
        cosine(20, final=0.1),
        None,
        cosine(50).resize(60),
    ):
        assert said(60, plan) == []
    with pytest.warns(UserWarning, match="ends after 1 of the 4 steps") as found:
        run(task(), lr=0.1, steps=4, plan=linear(1))
    assert found[0].filename == __file__


@pytest.mark.parametrize("run", [fit, sweep])
def test_numbers_beyond_the_precision_of_the_run_are_named(run):
    for lr, plan in ((1e39, None), (1e30, lambda t: 1e10)):
        with pytest.raises(ValueError, match="^lr must be at most 3.40282e[+]38 in torch.float32; got 1e[+](39|40)"):
            run(task(), "sgd", lr, plan=plan)
        run(task(), "sgd", lr, plan=plan, dtype=torch.float64, steps=2)
    with pytest.raises(ValueError, match="^weight_decay must be at most"):
        run(task(), "sgd", 0.1, weight_decay=1e39)


@pytest.mark.parametrize("run", [fit, sweep])
def test_an_optimizer_in_the_place_of_a_rule_is_one_sentence(run):
    with pytest.raises(TypeError, match=r"^rule must be .* write lambda parameters: SGD\(parameters, …\)"):
        run(task(), torch.optim.SGD(ONE.parameters(), lr=0.1))


def test_an_optimizer_of_other_parameters_is_refused_and_one_of_some_is_taken():
    def some(parameters):
        return torch.optim.SGD(parameters[:2], lr=0.1)

    assert fit(task(), some, steps=2).status.tolist() == ["finished"]
    for wrong, match in (
        (
            lambda parameters: torch.optim.SGD(ELSEWHERE.parameters(), lr=0.1),
            "made SGD of 2 that are not the network's",
        ),
        (lambda parameters: torch.optim.SGD([*parameters, *ELSEWHERE.parameters()], lr=0.1), "2 that are not"),
        (lambda parameters: torch.optim.SGD([p.clone().detach() for p in parameters], lr=0.1), "4 that are not"),
        (lambda parameters: torch.optim.SGD([{"params": []}], lr=0.1), "made SGD of none"),
    ):
        for run in (fit, lambda *given: find(*given, seeds=1, steps=3)):
            with pytest.raises(ValueError, match=f"^rule must make an optimizer of the parameters .* {match}"):
                run(task(), wrong)


class Empty(nn.Module):
    """A network of which one parameter has no entries."""

    def __init__(self):
        super().__init__()
        self.layer, self.none = nn.Linear(3, 2), nn.Parameter(torch.zeros(0, 4))
        self.rest = nn.Parameter(torch.zeros(2))

    def forward(self, x):
        return self.layer(x) + self.none.sum() + self.rest


@pytest.mark.parametrize("rule", ["sgd", "momentum", "adam", "lars", "hypergradient_sgd"])
def test_a_parameter_without_entries_trains_alike_alone_and_in_a_sweep(rule):
    for noise in (0.0, 0.1):
        one = task(model=Empty, noise=noise)
        lanes = sweep(one, rule, lr=[0.1, 0.2], seeds=2, steps=3)
        assert lanes.path == "eager" and lanes.parameters["none"].shape == (4, 0, 4)
        for lane in range(4):
            alone = fit(one, rule, lr=float(lanes.lr0[lane]), seed=int(lanes.seed[lane]), steps=3)
            assert np.allclose(alone.loss[0], lanes.loss[lane], rtol=1e-5)


@pytest.mark.parametrize("path", [np.zeros(2), np.zeros(0), torch.zeros(2), None, b"eager"])
def test_a_path_of_another_kind_is_named(path):
    with pytest.raises(ValueError, match="^path must be one of 'auto', 'eager', 'compiled', 'loop'"):
        sweep(task(), path=path)


@pytest.mark.parametrize("penalise", [np.zeros(2), np.zeros(0), torch.zeros(2), None, b"all"])
def test_what_is_penalised_is_one_of_two_words(penalise):
    with pytest.raises(ValueError, match='^task .mine.: penalise must be "weights" or "all"'):
        task(penalise=penalise)


def mse(output, y):
    return ((output - y) ** 2).mean()


def own(output, y):
    return mse(output.squeeze(-1), y)


def sides(output, y):
    return ((output > 0) == (y > 0)).float().mean()


def measured(loss, metric, shape=(12,), **change):
    """A regression whose network gives outputs of the shape (n, 1)."""
    x = torch.randn(12, 3, generator=torch.Generator().manual_seed(0))
    pair = x, x.sum(1).reshape(shape)
    usual = dict(model=lambda: nn.Linear(3, 1), train=pair, valid=pair, loss=loss, metric=metric)
    return task(**usual | change)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize(
    "field, loss, metric",
    [("loss", mse, own), ("loss", nn.functional.l1_loss, own), ("metric", own, mse), ("metric", own, sides)],
)
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_outputs_that_are_broadcast_against_every_y_are_refused(run, field, loss, metric):
    with pytest.raises(ValueError, match=rf"^task 'mine': {field} sets every output against every y, .*\(12, 1\)"):
        RUNS[run](measured(loss, metric))


def test_y_with_an_axis_more_than_the_outputs_is_refused_too():
    net = measured(mse, own, (12, 1), model=lambda: nn.Sequential(nn.Linear(3, 1), nn.Flatten(0)))
    with pytest.raises(ValueError, match=r"outputs of shape \(12,\) against y of shape \(12, 1\)"):
        fit(net, lr=0.1)


def rmse(output, y):
    return own(output, y).sqrt()


def without_y(output, y):
    return (output**2).mean()


@pytest.mark.parametrize("loss", [own, rmse, without_y, tasks.binary_loss])
@pytest.mark.parametrize("metric", [own, tasks.binary_accuracy, lambda o, y: sides(o.squeeze(-1), y)])
def test_outputs_that_meet_their_own_y_are_taken(loss, metric):
    far = measured(loss, metric, model=lambda: nn.Linear(3, 1).requires_grad_(True))
    assert fit(far, lr=0.01, steps=2).status.tolist() == ["finished"]
    same = measured(loss, metric, train=(far.train[0], torch.ones(12)), valid=None)
    assert fit(same, lr=0.01, steps=2).status.tolist() == ["finished"]


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("part", ["train", "valid"])
def test_a_value_that_is_not_finite_is_said_with_its_row(run, part):
    x, y = task().train
    x = x.clone()
    x[7, 1] = float("nan")
    with pytest.warns(UserWarning, match=rf"^task 'mine': {part}: x has 1 of 36 values .* the first in row 7"):
        RUNS[run](task(**{part: (x, y)}))


@pytest.mark.parametrize("run", RUNS)
def test_values_that_the_loss_masks_are_no_concern(run):
    def masked(output, y):
        known = ~y.isnan()
        return nn.functional.mse_loss(output.squeeze(-1)[known], y[known])

    x, y = measured(own, own).train
    y = y.clone()
    y[4] = float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        RUNS[run](measured(masked, masked, train=(x, y), valid=(x, y)))


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("shift", [0.0, 5.0, 290.0])
@pytest.mark.parametrize(
    "loss",
    [
        lambda o, y: nn.functional.l1_loss(o.squeeze(-1), y),
        lambda o, y: nn.functional.huber_loss(o[:, 0], y),
        lambda o, y: (o.mean() - y.mean()).abs(),
        lambda o, y: ((o[:, 0].sort()[0] - y.sort()[0]) ** 2).mean(),
        lambda o, y: nn.functional.mse_loss(o.squeeze(-1), y * 1000),
    ],
)
def test_losses_that_hardly_know_which_y_is_whose_are_taken(run, shift, loss):
    """Far from all outputs an absolute error is the same for any order of y."""
    x, y = measured(own, own).train
    RUNS[run](measured(loss, loss, train=(x, y + shift), valid=(x, y + shift)))


@pytest.mark.parametrize("shapes", [((4, 1, 5), (4, 5)), ((4, 5), (4, 1, 5)), ((4, 1, 2, 3), (4, 2, 3))])
def test_other_shapes_that_broadcasting_makes_pairs_of_are_refused(shapes):
    given, wanted = shapes
    x, y = torch.randn(4, 3), torch.randn(wanted)
    net = lambda: nn.Sequential(nn.Linear(3, math.prod(given[1:])), nn.Unflatten(1, given[1:]))  # noqa: E731
    with pytest.raises(ValueError, match="loss sets every output against every y"):
        fit(task(model=net, train=(x, y), valid=None, loss=mse, metric=mse), lr=0.01)


def test_sorted_labels_and_a_validation_set_of_another_shape_hide_nothing():
    x, y = measured(own, own).train
    ordered = y.sort().values.sign()
    with pytest.raises(ValueError, match="metric sets every output against every y"):
        fit(measured(own, sides, train=(x, ordered), valid=(x, ordered)), lr=0.01)
    with pytest.raises(ValueError, match="loss sets every output against every y"):
        fit(measured(mse, mse, train=(x, y[:, None]), valid=(x, y)), lr=0.01)


@pytest.mark.parametrize(
    "loss",
    [
        lambda o, y: ((o - y) ** 2).sum() / len(y),
        lambda o, y: nn.functional.mse_loss(o, y, reduction="sum") / y.size(0),
        lambda o, y: 1 - ((o - y) ** 2).sum() / ((y - y.mean()) ** 2).sum(),
        lambda o, y: ((o - y) ** 2).mean() / y.var(),
        lambda o, y: ((o > 0) == (y > 0)).float().sum() / len(y),
        lambda o, y: ((o - y) ** 2).sum(1).mean(),
        lambda o, y: ((o - y) ** 2).mean(1).mean(),
        lambda o, y: ((o - y) ** 2).sum(-1).mean(),
    ],
)
@pytest.mark.parametrize("shift", [0.0, 5.0])
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_all_pairs_are_seen_whatever_they_are_divided_by(loss, shift):
    x, y = measured(own, own).train
    with pytest.raises(ValueError, match="metric sets every output against every y"):
        fit(measured(own, loss, train=(x, y + shift), valid=None), lr=0.01)
    tall = x, (y + shift)[:, None]
    assert fit(measured(mse, loss, (12, 1), train=tall, valid=None), lr=0.01, steps=1).status.tolist() == ["finished"]


def test_a_network_that_is_there_already_is_copied_by_whoever_shares_it():
    body = nn.Linear(3, 4).requires_grad_(False)
    with pytest.raises(ValueError, match="parameter 0.weight again .* take copy.deepcopy of one that is there already"):
        fit(task(model=lambda: nn.Sequential(body, nn.Linear(4, 2))), lr=0.1)
    copied = task(model=lambda: nn.Sequential(copy.deepcopy(body), nn.Linear(4, 2)))
    assert fit(copied, lr=0.1, steps=2).status.tolist() == ["finished"]


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("part", ["train", "valid"])
def test_a_class_that_the_network_has_not_is_named_before_the_run(run, part):
    x, y = torch.randn(200, 3), torch.arange(200) % 2
    wrong = y.clone()
    wrong[150] = 7
    sets = {"train": (x, y), "valid": (x, y)} | {part: (x, wrong)}
    with pytest.raises(ValueError, match=f"^task 'mine': an evaluation of {part} fails in model, loss or metric"):
        RUNS[run](task(**sets))


@pytest.mark.parametrize("where", [(150, 0), (150, 3)])
def test_a_class_that_is_missing_is_named_wherever_it_stands(where):
    x, y = torch.randn(200, 3), torch.arange(1000).reshape(200, 5) % 2
    y[where] = 7
    net = lambda: nn.Sequential(nn.Linear(3, 10), nn.Unflatten(1, (2, 5)))  # noqa: E731
    with pytest.raises(ValueError, match="an evaluation of train fails"):
        fit(task(model=net, train=(x, y), valid=None, metric=CLASSES), lr=0.1)


class InPlace(nn.Module):
    """A network that writes into its inputs."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x):
        x -= 0.5
        return self.layer(x)


@pytest.mark.parametrize("run", RUNS)
def test_what_writes_into_the_data_is_refused_and_the_data_stay(run):
    x, y = task().train
    before = x.clone(), y.clone()
    with pytest.raises(
        ValueError, match=r"^task 'mine': model changes its inputs in place, .* begin with a .clone\(\)"
    ):
        RUNS[run](task(model=InPlace, train=(x, y)))
    with pytest.raises(ValueError, match="loss or metric changes y in place"):
        RUNS[run](task(train=(x, y), loss=lambda o, y: CLASSES(o, y.mul_(0))))
    assert torch.equal(x, before[0]) and torch.equal(y, before[1])


@pytest.mark.parametrize("eval_only", [False, True])
def test_what_writes_into_some_rows_or_only_in_an_evaluation_is_seen_too(eval_only):
    class Filling(InPlace):
        def forward(self, x):
            if not (eval_only and self.training):
                x[x.isnan()] = 0.0
            return self.layer(x)

    x, y = torch.randn(200, 3), torch.arange(200) % 2
    x[150, 2] = float("nan")
    spread = torch.where(x.isnan(), torch.full_like(x, float("nan")), x)
    spread[::13, 1] = float("nan")
    before = spread.clone()
    with pytest.raises(ValueError, match="model changes its inputs in place"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit(task(model=Filling, train=(spread, y), valid=None), lr=0.1)
    assert torch.equal(spread.isnan(), before.isnan())


def test_the_users_own_data_are_never_handed_to_a_network():
    seen = []

    class Watching(nn.Linear):
        def forward(self, x):
            seen.append(x.untyped_storage().data_ptr())
            return super().forward(x)

    x, y = task().train
    fit(task(model=lambda: Watching(3, 2), train=(x, y), valid=(x, y), batch=None), lr=0.1, steps=2)
    assert x.untyped_storage().data_ptr() not in seen


def test_a_metric_in_the_place_of_another_has_its_own_name():
    first = task()
    assert first.metric_name == "accuracy" and dataclasses.replace(first, metric=mse).metric_name == "mse"
    assert dataclasses.replace(task(metric_name="hits"), metric=mse).metric_name == "hits"
    with pytest.raises(ValueError, match="output must have two classes or more"):
        tasks.accuracy(torch.zeros(3, 1), torch.zeros(3))


def test_one_hot_classes_are_named_before_the_run():
    x, y = task().train
    hot = nn.functional.one_hot(y).float()
    with pytest.raises(
        ValueError, match=r"an evaluation of train fails .* y must have the shape \(\d+,\), one class an output"
    ):
        fit(task(train=(x, hot), valid=None), lr=0.1)


def test_binary_classes_may_have_an_axis_of_their_own():
    x, y = task().train
    net = dict(model=lambda: nn.Linear(3, 1), loss=nn.functional.binary_cross_entropy_with_logits)
    tall = fit(task(train=(x, y[:, None].float()), valid=None, metric=tasks.binary_accuracy, **net), lr=0.5, steps=20)
    flat = fit(
        task(train=(x, y.float()), valid=None, metric=tasks.binary_accuracy, **net | {"loss": tasks.binary_loss}),
        lr=0.5,
        steps=20,
    )
    assert tall.final("train_metric") == flat.final("train_metric")


@given(st.integers(0, 10_000), st.integers(1, 12), st.booleans())
@settings(max_examples=200, deadline=None)
def test_no_sound_task_is_taken_for_one_of_all_pairs_by_chance(seed, n, whole):
    """A share of hits over few examples is often the same for another order of them."""
    g = torch.Generator().manual_seed(seed)
    x, y = torch.randn(n, 3, generator=g), torch.randint(0, 2, (n,), generator=g)
    pair = x, y if whole else y.float()
    logits = lambda output, y: nn.functional.binary_cross_entropy_with_logits(output.squeeze(-1), y.float())  # noqa: E731
    sound = task(
        model=lambda: nn.Linear(3, 1), train=pair, valid=pair, loss=logits, metric=tasks.binary_accuracy, batch=None
    )
    assert fit(sound, lr=0.1, steps=1).status.tolist() == ["finished"]
