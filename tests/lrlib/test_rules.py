"""The rules are pure, agree with hand-computed steps, and run alike eager, vmapped and compiled."""

import pickle

import pytest
import torch

from lrlib import rules

NAMES = list(rules.RULES)


def walk(rule, x, gradients, **options):
    """Apply ``rule`` to a fixed list of gradients."""
    state = rule.init(x)
    for t, g in enumerate(gradients, start=1):
        x, state = rule(x, g, state, t, **options)
    return x, state


@pytest.fixture
def gradients():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(12, 5, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_changes_nothing_in_place(name, gradients):
    rule = rules.get(name)
    x, g, state = torch.ones(5, dtype=torch.float64), gradients[0], rule.init(gradients[0])
    before = [x.clone(), g.clone(), {k: v.clone() for k, v in state.items()}]
    rule(x, g, state, 1, lr=0.1, weight_decay=0.1)
    assert torch.equal(x, before[0]) and torch.equal(g, before[1])
    assert all(torch.equal(state[k], before[2][k]) for k in state)


@pytest.mark.parametrize("name", NAMES)
def test_lanes_of_rates_under_vmap_equal_single_runs(name, gradients):
    rule = rules.get(name)
    rates = torch.tensor([1e-3, 1e-2, 0.3], dtype=torch.float64)
    x = torch.ones(3, 5, dtype=torch.float64)
    state = {k: torch.zeros_like(x) for k in rule.state_names}
    step = torch.vmap(lambda x, g, s, lr, t: rule(x, g, s, t, lr=lr, weight_decay=0.1), in_dims=(0, None, 0, 0, None))
    for t, g in enumerate(gradients, start=1):
        x, state = step(x, g, state, rates, torch.tensor(t))
    for lane, rate in enumerate(rates.tolist()):
        single, _ = walk(rule, torch.ones(5, dtype=torch.float64), gradients, lr=rate, weight_decay=0.1)
        torch.testing.assert_close(x[lane], single, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_every_option_may_be_a_vector_of_lanes(name, gradients):
    rule = rules.get(name)
    options = {k: torch.tensor([v, 0.5 * v + 0.01], dtype=torch.float64) for k, v in rule.defaults.items()}
    x = torch.ones(2, 5, dtype=torch.float64)
    state = {k: torch.zeros_like(x) for k in rule.state_names}
    step = torch.vmap(lambda x, g, s, o: rule(x, g, s, 3, **o), in_dims=(0, None, 0, 0))
    x, _ = step(x, gradients[0], state, options)
    for lane in range(2):
        chosen = {k: v[lane].item() for k, v in options.items()}
        ones = torch.ones(5, dtype=torch.float64)
        single, _ = rule(ones, gradients[0], rule.init(ones), 3, **chosen)
        torch.testing.assert_close(x[lane], single, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_traces_as_one_graph_for_every_rate(name, gradients):
    rule = rules.get(name)
    traces = []

    def count(graph, _):
        traces.append(graph)
        return graph.forward

    step = torch.compile(lambda x, g, s, t, lr: rule(x, g, s, t, lr=lr), backend=count, fullgraph=True)
    x, state = torch.ones(5, dtype=torch.float64), rule.init(gradients[0])
    for t, g in enumerate(gradients[:4], start=1):
        x, state = step(x, g, state, torch.tensor(t), torch.tensor(0.1 / t, dtype=torch.float64))
    assert len(traces) == 1
    y, plain = torch.ones(5, dtype=torch.float64), rule.init(gradients[0])
    for t, g in enumerate(gradients[:4], start=1):
        y, plain = rule(y, g, plain, t, lr=0.1 / t)
    torch.testing.assert_close(x, y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_scale_of_the_gradient_matters_only_to_the_non_adaptive(name):
    x, g = torch.zeros(4, dtype=torch.float64), torch.tensor([1.0, -2.0, 3.0, 0.5], dtype=torch.float64)
    rule = rules.get(name)
    small, _ = walk(rule, x, [g] * 5, lr=0.1, weight_decay=0.0)
    large, _ = walk(rule, x, [1000 * g] * 5, lr=0.1, weight_decay=0.0)
    ratio = (large / small).mean().item()
    expected = 1000 if name in ("sgd", "momentum", "nesterov") else 1
    assert ratio == pytest.approx(expected, rel=1e-6)


def test_first_step_of_adam_has_the_length_of_the_rate():
    g = torch.tensor([1e-3, -50.0], dtype=torch.float64)
    x, _ = rules.adam(torch.zeros(2, dtype=torch.float64), g, rules.adam.init(g), 1, lr=0.2)
    torch.testing.assert_close(x, torch.tensor([-0.2, 0.2], dtype=torch.float64), rtol=1e-4, atol=0)


@pytest.mark.parametrize("t", [1, 10, 1000])
def test_bias_correction_keeps_its_digits_in_float32(t):
    exact = 1 - 0.999**t
    for step in (torch.tensor(t), torch.tensor(float(t))):
        assert rules._one_minus_power(0.999, step, torch.float32).item() == pytest.approx(exact, rel=1e-6)


def test_zero_betas_make_adam_a_sign_step():
    g = torch.tensor([3.0, -0.2])
    for t in (1, torch.tensor(1)):
        x, _ = rules.adam(torch.zeros(2), g, rules.adam.init(g), t, lr=0.1, beta1=0.0, beta2=0.0)
        torch.testing.assert_close(x, torch.tensor([-0.1, 0.1]))


@pytest.mark.parametrize("name", NAMES)
def test_rules_survive_pickle_and_describe_themselves(name):
    rule = rules.get(name)
    assert pickle.loads(pickle.dumps(rule)) is rule
    assert eval(repr(rule)) is rule
    assert rule.kind in rules.KINDS and rule.source and {"lr", "weight_decay"} <= set(rule.defaults)
    assert set(rule.init(torch.ones(1))) == set(rule.state_names)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"beta3": 0.9}, TypeError, "beta3.*beta1"),
        ({"lr": float("nan")}, ValueError, "lr must be finite"),
        ({"lr": torch.tensor([0.1, -0.1])}, ValueError, "lr must be finite and at least 0"),
        ({"beta2": 1.0}, ValueError, r"beta2 must be in \[0, 1\)"),
        ({"eps": "small"}, TypeError, "eps must be a number"),
    ],
)
def test_wrong_options_are_named(options, error, words):
    with pytest.raises(error, match=words):
        rules.adam.check(**options)


@pytest.mark.parametrize("name", ["sdg", None, 3])
def test_an_unknown_rule_lists_the_known_ones(name):
    with pytest.raises(ValueError, match="known rules: sgd, momentum"):
        rules.get(name)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind must be one of"):
        rules.Rule("x", "matrix", len, (), {}, "")
