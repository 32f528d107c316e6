"""The rules are pure, agree with hand-computed steps, and run alike eager, vmapped and traced, whatever their kind."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_leaves, tree_map

from lrlib import fit, rules, sweep, tasks
from lrlib.methods.rules.moments import one_minus_power

NAMES = list(rules.RULES)
SWEPT = [name for name in NAMES if rules.get(name).kind != "closure"]
SHAPES = ((5,), (2, 3))
OTHER = {"threshold": 4.0, "accumulate": False, "adapt": False, "multiplicative": True}  # a second allowed value


def bowl(x):
    """The loss that a rule of kind "closure" is given."""
    return sum((p**2).sum() for p in x)


def whole(rule):
    return rule.kind in ("global", "closure")


def begin(rule, x):
    """State for a list of tensors, whatever the kind of the rule."""
    return rule.init(x) if whole(rule) else [rule.init(p) for p in x]


def step(rule, x, g, state, t, **options):
    """One step of a rule of any kind on lists of tensors."""
    if rule.kind == "closure":
        options = {"loss": bowl(x), "loss_at": bowl, **options}
    if whole(rule):
        return rule(x, g, state, t, **options)
    pairs = [rule(p, one, kept, t, **options) for p, one, kept in zip(x, g, state, strict=True)]
    return [p for p, _ in pairs], [kept for _, kept in pairs]


def walk(rule, x, gradients, **options):
    """Apply ``rule`` to a fixed list of gradients."""
    state = begin(rule, x)
    for t, g in enumerate(gradients, start=1):
        x, state = step(rule, x, g, state, t, **options)
    return x, state


def start(dtype=torch.float64):
    return [torch.ones(shape, dtype=dtype) for shape in SHAPES]


def draws(count=12, dtype=torch.float64, seed=0):
    """``count`` gradients, each a list of one tensor for every shape."""
    generator = torch.Generator().manual_seed(seed)
    return [[torch.randn(s, generator=generator, dtype=torch.float64).to(dtype) for s in SHAPES] for _ in range(count)]


def assert_close(found, expected, tolerance=1e-12):
    for a, b in zip(tree_leaves(found), tree_leaves(expected), strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_a_rule_changes_nothing_in_place_and_hands_out_no_memory_of_its_arguments(name, weight_decay):
    rule, g = rules.get(name), draws(2)
    x, state = step(rule, start(), g[0], begin(rule, start()), 1, lr=0.1, weight_decay=weight_decay)
    given_ = (x, g[1], state)
    before = tree_map(torch.clone, given_)
    after = step(rule, x, g[1], state, 2, lr=0.1, weight_decay=weight_decay)
    assert all(torch.equal(a, b) for a, b in zip(tree_leaves(given_), tree_leaves(before), strict=True))
    memory = {leaf.untyped_storage().data_ptr() for leaf in tree_leaves(given_)}
    assert not memory & {leaf.untyped_storage().data_ptr() for leaf in tree_leaves(after)}


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_gives_the_same_twice_and_leaves_the_random_state_alone(name):
    rule, before = rules.get(name), torch.get_rng_state()
    first, second = (walk(rule, start(), draws(), lr=0.1) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(tree_leaves(first), tree_leaves(second), strict=True))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", SWEPT)
def test_lanes_of_rates_under_vmap_equal_single_runs(name):
    rule, rates = rules.get(name), torch.tensor([1e-3, 1e-2, 0.3], dtype=torch.float64)
    x = tree_map(lambda p: torch.stack([p] * 3), start())
    state = tree_map(lambda s: torch.stack([s] * 3), begin(rule, start()))
    lanes = torch.vmap(
        lambda x, g, s, lr, t: step(rule, x, g, s, t, lr=lr, weight_decay=0.1), in_dims=(0, None, 0, 0, None)
    )
    for t, g in enumerate(draws(), start=1):
        x, state = lanes(x, g, state, rates, torch.tensor(t))
    for lane, rate in enumerate(rates.tolist()):
        single = walk(rule, start(), draws(), lr=rate, weight_decay=0.1)
        assert_close(tree_map(lambda leaf: leaf[lane], (x, state)), single)


@pytest.mark.parametrize("name", SWEPT)
@pytest.mark.parametrize("t", [1, 9])
def test_every_option_may_be_a_vector_of_lanes(name, t):
    rule, g = rules.get(name), draws(2)
    pairs = {k: (v, OTHER.get(k, 0.5 * v + 0.01)) for k, v in rule.defaults.items()}
    options = {k: torch.tensor(pair, dtype=torch.float64) for k, pair in pairs.items()}
    x, state = walk(rule, start(), g[:1])
    lanes = torch.vmap(lambda o: step(rule, x, g[1], state, t, **o))(options)
    for lane in range(2):
        single = step(rule, x, g[1], state, t, **{k: pair[lane] for k, pair in pairs.items()})
        assert_close(tree_map(lambda leaf: leaf[lane], lanes), single)


@pytest.mark.parametrize("name", [name for name in NAMES if rules.get(name).kind == "element"])
def test_options_broadcast_against_the_parameter(name):
    rule = rules.get(name)
    x, g = torch.ones(3, 4, dtype=torch.float64), draws(1)[0][0][:4].expand(3, 4)
    options = {
        k: torch.tensor([[v], [OTHER.get(k, 0.7 * v)], [v]], dtype=torch.float64) for k, v in rule.defaults.items()
    }
    broadcast, _ = rule(x, g, rule.init(x), 7, **options)
    for row in range(3):
        alone, _ = rule(x[row], g[row], rule.init(x[row]), 7, **{k: v[row].item() for k, v in options.items()})
        assert_close(broadcast[row], alone)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("name", NAMES)
def test_a_rule_keeps_the_dtype(name, dtype):
    rule, wide = rules.get(name), torch.float32 if dtype == torch.bfloat16 else dtype
    for t in (int, torch.tensor):
        x, state = start(dtype), begin(rule, start(dtype))
        for k, g in enumerate(draws(8, dtype), start=1):
            x, state = step(rule, x, g, state, t(k) if rule.kind != "closure" else k, lr=0.1, weight_decay=0.1)
        assert all(p.dtype == dtype and p.isfinite().all() for p in x)
        for leaf in tree_leaves(state):
            assert leaf.dtype == (wide if whole(rule) and leaf.dim() == 0 else dtype) and leaf.isfinite().all()


@pytest.mark.parametrize("name", SWEPT)
def test_a_rule_traces_as_one_graph_for_every_rate_and_step(name):
    rule, gradients = rules.get(name), draws(8)
    x, state = start(), begin(rule, start())
    lr = torch.tensor(0.1, dtype=torch.float64)
    graph = make_fx(lambda x, g, s, t, lr: step(rule, x, g, s, t, lr=lr))(x, gradients[0], state, torch.tensor(1), lr)
    for t, g in enumerate(gradients, start=1):
        x, state = graph(x, g, state, torch.tensor(t), lr / t)
    y, plain = start(), begin(rule, start())
    for t, g in enumerate(gradients, start=1):
        y, plain = step(rule, y, g, plain, t, lr=0.1 / t)
    assert_close((x, state), (y, plain))


@pytest.mark.parametrize("name", ["adam", "radam", "lars", "hypergradient_adam"])
def test_the_compiler_sees_no_break_and_no_second_graph(name):
    rule, traces = rules.get(name), []

    def count(graph, _):
        traces.append(graph)
        return graph.forward

    compiled = torch.compile(lambda x, g, s, t, lr: step(rule, x, g, s, t, lr=lr), backend=count, fullgraph=True)
    x, state = start(), begin(rule, start())
    for t, g in enumerate(draws(3), start=1):
        x, state = compiled(x, g, state, torch.tensor(t), torch.tensor(0.1 / t, dtype=torch.float64))
    assert len(traces) == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_sweep_over_every_option_equals_single_runs(name):
    rule, task = rules.get(name), tasks.quadratic(curvatures=(4.0, 1.0))
    pairs = {k: (v, OTHER.get(k, 0.5 * v + 0.01)) for k, v in rule.defaults.items() if k not in ("rates", "seed")}
    pairs["lr"] = (0.03, 0.2)
    swept = sweep(task, name, seeds=2, steps=12, dtype=torch.float64, **{k: np.array(v) for k, v in pairs.items()})
    assert swept.path == ("loop" if rule.kind == "closure" else "eager"), swept.path_reason
    for lane in range(4):
        single = fit(
            task, name, seed=lane % 2, steps=12, dtype=torch.float64, **{k: v[lane // 2] for k, v in pairs.items()}
        )
        np.testing.assert_allclose(swept.loss[lane], single.loss[0], rtol=1e-10)
        np.testing.assert_allclose(swept.parameters["x"][lane], single.parameters["x"][0], rtol=1e-10)


LINEAR = ("sgd", "momentum", "nesterov", "radam", "hypergradient_sgd", "annealed_sgd")
FIXED = {
    "hypergradient_sgd": {"hyper_lr": 0.0},
    "hypergradient_adam": {"hyper_lr": 0.0},
    "annealed_sgd": {"temperature": math.inf},
}


@pytest.mark.parametrize("name", NAMES)
def test_the_scale_of_the_gradient_matters_only_to_the_non_adaptive(name):
    rule, g = rules.get(name), [torch.tensor([1.0, -2.0, 3.0, 0.5], dtype=torch.float64)]
    x = [torch.ones(4, dtype=torch.float64)]
    small, large = (
        walk(rule, x, [[k * g[0]]] * 5, lr=0.1, weight_decay=0.0, **FIXED.get(name, {}))[0][0] - 1 for k in (1, 1000)
    )
    ratio = (large / small).mean().item()  # RAdam: its first steps are linear
    assert ratio == pytest.approx(1000 if name in LINEAR else 1, rel=1e-6)


def test_first_step_of_adam_has_the_length_of_the_rate():
    g = torch.tensor([1e-3, -50.0], dtype=torch.float64)
    x, _ = rules.adam(torch.zeros(2, dtype=torch.float64), g, rules.adam.init(g), 1, lr=0.2)
    torch.testing.assert_close(x, torch.tensor([-0.2, 0.2], dtype=torch.float64), rtol=1e-4, atol=0)


@pytest.mark.parametrize("t", [1, 10, 1000])
def test_bias_correction_keeps_its_digits_in_float32(t):
    exact = 1 - 0.999**t
    for step in (torch.tensor(t), torch.tensor(float(t))):
        assert one_minus_power(0.999, step, torch.float32).item() == pytest.approx(exact, rel=1e-6)


def test_zero_betas_make_adam_a_sign_step():
    g = torch.tensor([3.0, -0.2])
    for t in (1, torch.tensor(1)):
        x, _ = rules.adam(torch.zeros(2), g, rules.adam.init(g), t, lr=0.1, beta1=0.0, beta2=0.0)
        torch.testing.assert_close(x, torch.tensor([-0.1, 0.1]))


@given(seed=st.integers(0, 99), beta2=st.floats(0.0, 0.999))
@settings(max_examples=20, deadline=None)
def test_the_denominator_of_amsgrad_never_shrinks(seed, beta2):
    x, state, largest = (
        torch.zeros(5, dtype=torch.float64),
        rules.amsgrad.init(torch.zeros(5, dtype=torch.float64)),
        0.0,
    )
    for t, (g, _) in enumerate(draws(10, seed=seed), start=1):
        x, state = rules.amsgrad(x, g / t, state, t, beta2=beta2)
        assert (state["v_max"] >= largest).all() and (state["v_max"] >= state["v"]).all()
        largest = state["v_max"]


@pytest.mark.parametrize(("accumulate", "limit"), [(True, 1e-4 / (1 - 0.9)), (False, 0.0)])
def test_epsilon_of_adabelief_accumulates_unless_told_not_to(accumulate, limit):
    x = g = torch.ones(1, dtype=torch.float64)
    state = rules.adabelief.init(x)
    for t in range(1, 400):
        x, state = rules.adabelief(x, g, state, t, beta2=0.9, eps=1e-4, accumulate=accumulate)
    assert state["s"].item() == pytest.approx(limit, rel=1e-9, abs=1e-15)


def test_radam_adapts_from_the_step_on_that_its_threshold_says():
    one = torch.ones(1, dtype=torch.float64)

    def adapted(threshold):
        """The first step at which the size of the gradient no longer matters."""
        small, large = ([p[0] for p in _lengths(rules.radam, k * one, threshold=threshold)] for k in (1, 100))
        return next(t for t, (a, b) in enumerate(zip(small, large), start=1) if abs(a - b) < 1e-6)

    assert (adapted(4.0), adapted(5.0), adapted(10.0)) == (5, 6, 11)


def _lengths(rule, g, **options):
    x, state, lengths = torch.zeros_like(g), rule.init(g), []
    for t in range(1, 20):
        new, state = rule(x, g, state, t, lr=1.0, **options)
        lengths.append(x - new)
        x = new
    return lengths


@pytest.mark.parametrize("name", ["hypergradient_sgd", "hypergradient_adam"])
@pytest.mark.parametrize("multiplicative", [False, True])
def test_a_hypergradient_of_rate_zero_is_the_plain_rule(name, multiplicative):
    plain, g = rules.get(name.removeprefix("hypergradient_")), draws()
    x, state = walk(rules.get(name), start(), g, lr=0.05, hyper_lr=0.0, weight_decay=0.1, multiplicative=multiplicative)
    expected, _ = walk(plain, start(), g, lr=0.05, weight_decay=0.1)
    assert_close(x, expected)
    assert state["rate"].item() == 0.05 and state["c"].item() == 0


def test_a_plan_moves_the_base_of_a_learned_rate():
    g = [torch.ones(5, dtype=torch.float64), torch.zeros(2, 3, dtype=torch.float64)]
    for multiplicative, expected in ((False, 0.0 + 2 * 0.01 * 5), (True, 0.0)):
        x, state = start(), begin(rules.hypergradient_sgd, start())
        for t, lr in enumerate((0.5, 0.25, 0.0), start=1):
            x, state = rules.hypergradient_sgd(x, g, state, t, lr=lr, hyper_lr=0.01, multiplicative=multiplicative)
        assert state["rate"].item() == pytest.approx(expected)
        assert state["c"].item() == pytest.approx(1.01**2 - 1 if multiplicative else 0.1)


@pytest.mark.parametrize("name", NAMES)
def test_rules_survive_pickle_and_describe_themselves(name):
    rule = rules.get(name)
    assert pickle.loads(pickle.dumps(rule)) is rule
    assert eval(repr(rule)) is rule
    assert rule.kind in rules.KINDS and rule.source and {"lr", "weight_decay"} <= set(rule.defaults)
    assert rule.__doc__ and getattr(rules, name) is rule
    assert set(rule.init(start() if whole(rule) else start()[0])) == set(rule.state_names) >= set(rule.single)
    rule.check(**rule.defaults)


@pytest.mark.parametrize(
    ("rule", "options", "error", "words"),
    [
        ("adam", {"beta3": 0.9}, TypeError, "beta3.*beta1"),
        ("adam", {"lr": float("nan")}, ValueError, "lr must be finite"),
        ("adam", {"lr": torch.tensor([0.1, -0.1])}, ValueError, "lr must be finite and at least 0"),
        ("adam", {"lr": np.array([0.1, np.inf])}, ValueError, "lr must be finite"),
        ("adam", {"lr": []}, ValueError, "lr must be finite"),
        ("adam", {"beta2": 1.0}, ValueError, r"beta2 must be in \[0, 1\)"),
        ("adam", {"eps": "small"}, TypeError, "eps must be a number"),
        ("adam", {"eps": None}, TypeError, "eps must be a number"),
        ("adam", {"lr": True}, TypeError, "lr must be a number, or a tensor or list of numbers; got True"),
        ("adam", {"lr": np.True_}, TypeError, "lr must be a number"),
        ("adam", {"lr": [0.1, False]}, TypeError, "lr must be a number"),
        ("adam", {"weight_decay": torch.tensor(True)}, TypeError, "weight_decay must be a number"),
        ("radam", {"threshold": 3.9}, ValueError, "threshold must be finite and at least 4"),
        ("adabelief", {"accumulate": 0.5}, ValueError, "accumulate must be True or False, 1 or 0"),
        ("lars", {"adapt": "no"}, TypeError, "adapt must be True or False"),
        ("lars", {"trust": -1}, ValueError, "trust must be finite and at least 0"),
        ("annealed_sgd", {"seed": 1.7}, ValueError, "seed must be a whole number of at least 0"),
        ("annealed_sgd", {"seed": True}, TypeError, "seed must be a whole number"),
        ("annealed_sgd", {"rates": ()}, ValueError, "rates must be finite and above 0"),
        ("annealed_sgd", {"rates": (0.1, 0.0)}, ValueError, "rates must be finite and above 0"),
        ("annealed_sgd", {"temperature": -1.0}, ValueError, "temperature must be at least 0"),
        ("annealed_sgd", {"temperature": math.nan}, ValueError, "temperature must be at least 0"),
        ("annealed_sgd", {"cooling": 0.0}, ValueError, r"cooling must be in \(0, 1\]"),
        ("annealed_sgd", {"loss": 1.0}, TypeError, "unknown option 'loss'"),
    ],
)
def test_wrong_options_are_named(rule, options, error, words):
    with pytest.raises(error, match=f"^{rule}: .*{words}"):
        rules.get(rule).check(**options)


def test_allowed_options_pass():
    rules.annealed_sgd.check(temperature=math.inf, rates=(0.5,), seed=3.0, cooling=1)
    rules.adabelief.check(accumulate=False, beta1=np.float64(0.5), lr=[0.1, 0.2])
    rules.adam.check(lr=torch.tensor(0.1), beta1=0, weight_decay=np.float32(0.5))


@pytest.mark.parametrize("name", ["sdg", None, 3])
def test_an_unknown_rule_lists_the_known_ones(name):
    with pytest.raises(ValueError, match="known rules: sgd, momentum"):
        rules.get(name)


def slow_adam():
    """A rule that nobody listed: lrlib's Adam with another beta1, under Adam's name."""
    adam = rules.get("adam")
    return rules.Rule("adam", adam.kind, adam.update, adam.state_names, {**adam.defaults, "beta1": 0.5}, adam.source)


def test_a_rule_works_with_its_own_defaults_however_it_is_run():
    task = tasks.quadratic()
    right = fit(task, "adam", lr=0.1, steps=9, beta1=0.5).loss
    assert not np.array_equal(right, fit(task, "adam", lr=0.1, steps=9).loss)
    assert np.array_equal(fit(task, slow_adam(), lr=0.1, steps=9).loss, right)
    assert np.allclose(sweep(task, slow_adam(), lr=[0.1], steps=9).loss, right, rtol=1e-5)
    x, g = torch.ones(3), torch.arange(3.0)
    state = rules.get("adam").init(x)
    expected = rules.get("adam")(x, g, state, 1, lr=0.1, beta1=0.5)[1]["m"]
    assert torch.equal(slow_adam()(x, g, state, 1, lr=0.1)[1]["m"], expected)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy])
def test_a_copied_rule_is_the_listed_one_or_keeps_its_own_defaults(again):
    assert again(rules.get("adam")) is rules.get("adam")
    assert again(slow_adam()).defaults["beta1"] == 0.5


def test_a_rule_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="kind must be one of"):
        rules.Rule("x", "matrix", len, (), {}, "")
    with pytest.raises(ValueError, match="single: a rule of kind 'element' keeps tensors shaped like x"):
        rules.Rule("x", "element", len, (), {}, "", single=("c",))
    with pytest.raises(ValueError, match="there is a rule 'adam' already, from lrlib.methods.rules.moments"):
        rules.rule("adam", "element")(test_allowed_options_pass)
    with pytest.raises(ValueError, match="rule 'loose': its options must be keyword-only, after a \\*; got lr"):
        rules.rule("loose", "element")(lambda x, g, state, t, lr=0.1: (x - lr * g, {}))
    assert "loose" not in rules.RULES


@pytest.fixture
def own():
    """A rule of a user's own, with a range of its own."""

    @rules.rule("own", "global", source="nobody", single=("n",), ranges={"share": "below 1", "odd": "odd"})
    def own(x, g, state, t, *, lr=0.5, share=0.5, odd=1.0):
        return [p - lr * share * one for p, one in zip(x, g)], {"n": state["n"] + 1}

    yield own
    del rules.RULES["own"]


def test_a_users_own_rule_is_known_and_checked(own):
    assert rules.get("own") is own and own.state_names == own.single == ("n",)
    x, state = walk(own, start(), draws(3))
    assert state["n"].item() == 3
    assert_close(x, [1 - 0.25 * sum(g[i] for g in draws(3)) for i in range(2)])
    with pytest.raises(ValueError, match=r"own: share must be in \[0, 1\)"):
        own.check(share=1.0)
    with pytest.raises(ValueError, match="the range of odd must be one of 'at least 0'.*got 'odd'"):
        own.check(odd=1.0)


@pytest.mark.parametrize("name", [name for name, rule in rules.RULES.items() if rule.state_names])
def test_a_state_that_lacks_something_is_refused_by_name(name):
    rule, x = rules.get(name), torch.ones(2)
    x = x if rule.kind in ("element", "tensor") else [x]
    kept = ", ".join(rule.state_names)
    for lacking in rule.state_names:
        state = rule.init(x)
        del state[lacking]
        with pytest.raises(ValueError, match=f"^{name}: state must hold {kept}, as init.* it lacks {lacking}$"):
            rule(x, x, state, 1)
    for wrong in (None, 3, [rule.init(x)]):
        with pytest.raises(TypeError, match=f"^{name}: state must be a dict, as init.x. gives it; got "):
            rule(x, x, wrong, 1)
