"""Every optimizer against independent implementations, in float64 over more than 200 steps."""

import math

import oracles
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from table import difference, note

from lrlib import optimizers, rules

STEPS = 205
PAIRS = [(name, peer) for name, peers in oracles.PEERS.items() for peer in peers]
each_pair = pytest.mark.parametrize(("name", "peer"), PAIRS, ids=[f"{name}-{peer.oracle}" for name, peer in PAIRS])
VALUES = {  # what hypothesis draws for an option
    "lr": st.sampled_from([0.0, 1e-4, 3e-3, 0.05, 0.7]),
    "weight_decay": st.sampled_from([0.0, 1e-3, 0.1]),
    "eps": st.sampled_from([1e-16, 1e-8, 1e-3, 0.5]),
    "momentum": st.floats(0.01, 0.99),
    "alpha": st.floats(0.7, 0.999),
    "beta1": st.one_of(st.just(0.0), st.floats(0.1, 0.95)),
    "beta2": st.floats(0.7, 0.9999),  # near 0 the step is a sign, and rounding may turn it
    "trust": st.floats(1e-4, 0.1),
}


@st.composite
def settings_of(draw, peer):
    """Options in our names for two groups, which differ in rate and decay."""
    shared = {name: draw(VALUES[name]) for name in peer.free} | peer.fixed
    other = {name: draw(VALUES[name]) for name in ("lr", "weight_decay") if name not in peer.fixed}
    maximize = draw(st.booleans()) if peer.climbs else False
    return shared, {**shared, **other}, maximize, draw(st.integers(0, 999))


def run(make, groups, seed, steps=STEPS, **options):
    """Parameters after every step, one [steps, …] a tensor, from gradients whose size differs and drifts with t.

    Two groups; all tensors are matrices, so that peers which leave vectors alone are compared too.
    """
    draws, drift = torch.Generator().manual_seed(seed), torch.arange(steps, dtype=torch.float64).view(-1, 1, 1)
    shapes = ((3, 2), (2, 2))
    x = [torch.nn.Parameter(torch.randn(shape, generator=draws, dtype=torch.float64)) for shape in shapes]
    gradients = [
        10.0 ** (2 * torch.sin(seed + drift / 40))
        * (0.3 + torch.randn(steps, *shape, generator=draws, dtype=torch.float64))
        for shape in shapes
    ]
    optimizer = make([{"params": [p], **group} for p, group in zip(x, groups, strict=True)], **options)
    path = [torch.empty_like(g) for g in gradients]
    for t in range(steps):
        for p, g in zip(x, gradients, strict=True):
            p.grad = g[t].clone()
        optimizer.step()
        for p, kept in zip(x, path, strict=True):
            kept[t] = p.detach()
    return path


def ours(name):
    return lambda groups, maximize=False: optimizers.make(name, groups, maximize=maximize)


@each_pair
def test_equals_its_peer_for_any_options(name, peer):
    @given(settings_of(peer))
    @settings(max_examples=6, deadline=None)
    def compare(drawn):
        first, second, maximize, seed = drawn
        mine = run(ours(name), [first, second], seed, maximize=maximize)
        theirs = run(peer.build, [first, second], seed, maximize=maximize)
        found = difference(mine, theirs)
        assert found < 1e-9, drawn
        note("optimizer", name, peer.oracle, found)

    compare()


@pytest.mark.parametrize("name", [name for name, peers in oracles.PEERS.items() if peers[0].tensor_rate])
def test_a_tensor_rate_that_changes_on_the_way_equals_torchs(name):
    peer = oracles.PEERS[name][0]

    def changing(build):
        def make(groups):
            optimizer = build([{**group, "lr": torch.tensor(group["lr"], dtype=torch.float64)} for group in groups])
            optimizer.register_step_post_hook(lambda o, *_: [g["lr"].mul_(0.99) for g in o.param_groups])
            return optimizer

        return make

    groups = [{"lr": 0.05, "weight_decay": 0.01}, {"lr": 0.01}]
    mine, theirs = (run(changing(build), groups, 3) for build in (ours(name), peer.build))
    found = difference(mine, theirs)
    assert found < 1e-12
    note("optimizer", name, peer.oracle, found)


@each_pair
def test_equals_its_peer_on_a_net_whose_gradients_depend_on_the_path(name, peer):
    def trained(build):
        with torch.random.fork_rng():
            torch.manual_seed(1)
            net = torch.nn.Sequential(
                torch.nn.Linear(4, 8, bias=False), torch.nn.Tanh(), torch.nn.Linear(8, 3, bias=False)
            ).double()
        options = {"lr": 1.0 if name == "lars" else 0.01, "weight_decay": 0.01} | peer.fixed
        optimizer = build([{"params": net.parameters(), **options}])
        for t in range(STEPS):
            draws = torch.Generator().manual_seed(t)
            x, y = torch.randn(16, 4, generator=draws, dtype=torch.float64), torch.randint(3, (16,), generator=draws)
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(x), y).backward()
            optimizer.step()
        return [p.detach() for p in net.parameters()]

    defaults = {k: v for k, v in rules.get(name).defaults.items() if k in peer.free and k not in ("lr", "weight_decay")}
    found = difference(trained(ours(name)), trained(lambda groups: peer.build([{**defaults, **groups[0]}])))
    assert found < 1e-8
    note("optimizer", name, peer.oracle, found)


# Quirks: where a peer does something else under the same name, and how it was told to agree.


def pair_of_paths(name, peer_make, options, steps=30, **own):
    """Largest difference between ours and a peer built by ``peer_make(params, **options)``."""
    mine = run(lambda groups: optimizers.make(name, groups, **options, **own), [{}, {}], 5, steps)
    theirs = run(lambda groups: peer_make(groups, **options), [{}, {}], 5, steps)
    return difference(mine, theirs)


def test_quirk_torchs_dampening_spares_the_first_step():
    x = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([x], lr=1.0, momentum=0.9, dampening=0.5)
    for expected in (-1.0, -1.0 - (0.9 + 0.5)):  # v = 1 in full, then 0.9 · 1 + 0.5 · 1
        x.grad = torch.ones(1)
        optimizer.step()
        assert x.item() == pytest.approx(expected)


def test_quirk_torchs_amsgrad_takes_the_maximum_before_the_bias_is_corrected():
    x, state = torch.zeros(1), rules.amsgrad.init(torch.zeros(1))
    _, state = rules.amsgrad(x, torch.ones(1), state, 1, beta2=0.9)
    _, state = rules.amsgrad(x, torch.zeros(1), state, 2, beta2=0.9)
    assert state["v_max"].item() == pytest.approx(0.1)  # corrected first it would be 1, and stay 1
    assert pair_of_paths("amsgrad", torch.optim.Adam, {"lr": 0.1}) > 1e-6  # and plain Adam is something else
    assert pair_of_paths("amsgrad", lambda g, **o: torch.optim.Adam(g, amsgrad=True, **o), {"lr": 0.1}) < 1e-12


def test_quirk_torchs_radam_adds_epsilon_before_the_bias_is_corrected():
    g, eps, t, beta2 = 2.0, 0.5, 20, 0.9
    v = g * g * (1 - beta2**t)  # of a constant gradient, so that v̂ = g²
    state = {
        "m": torch.tensor(g * (1 - 0.9 ** (t - 1)), dtype=torch.float64),
        "v": torch.tensor(g * g * (1 - beta2 ** (t - 1)), dtype=torch.float64),
    }
    x, slope = torch.zeros((), dtype=torch.float64), torch.tensor(g, dtype=torch.float64)
    x, _ = rules.radam(x, slope, state, t, lr=1.0, beta2=beta2, eps=eps)
    longest = 2 / (1 - beta2) - 1
    rho = longest - 2 * t * beta2**t / (1 - beta2**t)
    r = math.sqrt((rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho))
    assert -x.item() == pytest.approx(r * g * math.sqrt(1 - beta2**t) / (math.sqrt(v) + eps), rel=1e-12)
    assert -x.item() != pytest.approx(r * g / (g + eps), rel=1e-3)  # where Adam has its ε


def test_quirk_radams_threshold_is_five_in_code_and_four_in_the_paper():
    options = {"lr": 0.1, "betas": (0.9, 0.99)}
    ours_ = {"lr": 0.1, "beta2": 0.99}
    theirs = run(lambda groups: torch.optim.RAdam(groups, **options), [{}, {}], 5, 30)
    for threshold, same in ((5.0, True), (4.0, False)):
        mine = run(lambda groups: optimizers.make("radam", groups, threshold=threshold, **ours_), [{}, {}], 5, 30)
        assert (difference(mine, theirs) < 1e-12) is same


def test_quirk_rectification_is_on_in_adabelief_pytorch_unless_told_off():
    off = pair_of_paths("adabelief", oracles.quiet_adabelief, {"lr": 0.01})
    on = pair_of_paths("adabelief", lambda g, **o: oracles.quiet_adabelief(g, rectify=True, **o), {"lr": 0.01})
    assert off < 1e-12 and on > 1e-3


def test_quirk_all_peers_let_the_epsilon_of_adabelief_accumulate():
    for peer in oracles.PEERS["adabelief"]:
        group = {"lr": 0.01, "eps": 1e-2}
        theirs = run(peer.build, [group, group], 5)
        for accumulate, same in ((True, True), (False, False)):
            mine = run(lambda groups: optimizers.make("adabelief", groups, accumulate=accumulate), [group, group], 5)
            assert (difference(mine, theirs) < 1e-10) is same, peer.oracle


def test_quirk_lars_of_the_peers_leaves_some_tensors_alone():
    x, g = torch.tensor([3.0, 4.0]), torch.tensor([0.0, 2.0])
    moved = {}
    for label, make in {
        "ours": lambda p: optimizers.make("lars", p, lr=1.0, momentum=0.0, trust=0.1),
        "not adapted": lambda p: optimizers.make("lars", p, lr=1.0, momentum=0.0, trust=0.1, adapt=False),
        "pytorch-optimizer": lambda p: oracles.pytorch_optimizer.LARS(p, lr=1.0, momentum=0.0, trust_coefficient=0.1),
        "timm": lambda p: oracles.timm("timm.optim.lars").Lars(p, lr=1.0, trust_coeff=0.1),
    }.items():
        p = torch.nn.Parameter(x.clone())
        p.grad = g.clone()
        make([p]).step()
        moved[label] = 4.0 - p[1].item()
    assert moved["ours"] == pytest.approx(0.1 * 5 / 2 * 2)
    assert moved["not adapted"] == moved["timm"] == moved["pytorch-optimizer"] == 2.0  # no decay; a vector


def test_quirk_pytorch_optimizer_overwrites_the_gradient():
    p = torch.nn.Parameter(torch.ones(2, 2))
    for make, kept in ((lambda q: optimizers.make("lars", q), True), (oracles.pytorch_optimizer.LARS, False)):
        p.grad = torch.ones(2, 2)
        make([p]).step()
        assert torch.equal(p.grad, torch.ones(2, 2)) is kept
