"""Every optimizer against independent implementations, in float64 over more than 200 steps."""

import math

import numpy as np
import oracles
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from table import difference, note

from lrlib import optimizers, rules
from lrlib.streams import generator

STEPS = 205
PAIRS = [(name, peer) for name, peers in oracles.PEERS.items() for peer in peers]
each_pair = pytest.mark.parametrize(("name", "peer"), PAIRS, ids=[f"{name}-{peer.oracle}" for name, peer in PAIRS])
VALUES = {                                                     # what hypothesis draws for an option
    "lr": st.sampled_from([0.0, 1e-4, 3e-3, 0.05, 0.7]),
    "weight_decay": st.sampled_from([0.0, 1e-3, 0.1]),
    "eps": st.sampled_from([1e-16, 1e-8, 1e-3, 0.5]),
    "momentum": st.floats(0.01, 0.99),
    "alpha": st.floats(0.7, 0.999),
    "beta1": st.one_of(st.just(0.0), st.floats(0.1, 0.95)),
    "beta2": st.floats(0.7, 0.9999),                           # near 0 the step is a sign, and rounding may turn it
    "trust": st.floats(1e-4, 0.1),
}


@st.composite
def settings_of(draw, peer):
    """Options in our names for two groups, which differ in rate and decay."""
    shared = {name: draw(VALUES[name]) for name in peer.free if name in VALUES} | peer.fixed
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
    gradients = [10.0 ** (2 * torch.sin(seed + drift / 40))
                 * (0.3 + torch.randn(steps, *shape, generator=draws, dtype=torch.float64)) for shape in shapes]
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
            net = torch.nn.Sequential(torch.nn.Linear(4, 8, bias=False), torch.nn.Tanh(),
                                      torch.nn.Linear(8, 3, bias=False)).double()
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
    for expected in (-1.0, -1.0 - (0.9 + 0.5)):                # v = 1 in full, then 0.9 · 1 + 0.5 · 1
        x.grad = torch.ones(1)
        optimizer.step()
        assert x.item() == pytest.approx(expected)


def test_quirk_torchs_amsgrad_takes_the_maximum_before_the_bias_is_corrected():
    x, state = torch.zeros(1), rules.amsgrad.init(torch.zeros(1))
    _, state = rules.amsgrad(x, torch.ones(1), state, 1, beta2=0.9)
    _, state = rules.amsgrad(x, torch.zeros(1), state, 2, beta2=0.9)
    assert state["v_max"].item() == pytest.approx(0.1)         # corrected first it would be 1, and stay 1
    assert pair_of_paths("amsgrad", torch.optim.Adam, {"lr": 0.1}) > 1e-6        # and plain Adam is something else
    assert pair_of_paths("amsgrad", lambda g, **o: torch.optim.Adam(g, amsgrad=True, **o), {"lr": 0.1}) < 1e-12


def test_quirk_torchs_radam_adds_epsilon_before_the_bias_is_corrected():
    g, eps, t, beta2 = 2.0, 0.5, 20, 0.9
    v = g * g * (1 - beta2**t)                                 # of a constant gradient, so that v̂ = g²
    state = {"m": torch.tensor(g * (1 - 0.9 ** (t - 1)), dtype=torch.float64),
             "v": torch.tensor(g * g * (1 - beta2 ** (t - 1)), dtype=torch.float64)}
    x, slope = torch.zeros((), dtype=torch.float64), torch.tensor(g, dtype=torch.float64)
    x, _ = rules.radam(x, slope, state, t, lr=1.0, beta2=beta2, eps=eps)
    longest = 2 / (1 - beta2) - 1
    rho = longest - 2 * t * beta2**t / (1 - beta2**t)
    r = math.sqrt((rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho))
    assert -x.item() == pytest.approx(r * g * math.sqrt(1 - beta2**t) / (math.sqrt(v) + eps), rel=1e-12)
    assert -x.item() != pytest.approx(r * g / (g + eps), rel=1e-3)                # where Adam has its ε


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
    assert moved["not adapted"] == moved["timm"] == moved["pytorch-optimizer"] == 2.0     # no decay; a vector


def test_quirk_pytorch_optimizer_overwrites_the_gradient():
    p = torch.nn.Parameter(torch.ones(2, 2))
    for make, kept in ((lambda q: optimizers.make("lars", q), True), (oracles.pytorch_optimizer.LARS, False)):
        p.grad = torch.ones(2, 2)
        make([p]).step()
        assert torch.equal(p.grad, torch.ones(2, 2)) is kept


# Hypergradient descent, against the derivative that defines it.


def valley(x):
    """A smooth loss of two tensors, neither round nor quadratic."""
    return 0.5 * (x[0] ** 2 * torch.tensor([1.0, 3.0], dtype=torch.float64)).sum() + (x[1] - x[0].sum()).cosh().log().sum()


BEGIN = [torch.tensor([1.0, -0.7], dtype=torch.float64), torch.tensor([[2.0], [0.3]], dtype=torch.float64)]


def definition(direction, lr, hyper_lr, multiplicative, steps, weight_decay=0.0):
    """Rates and end of hypergradient descent with autograd through the last step, dL(x − η d)/dη, as it is defined."""
    def loss(x):
        return valley(x) + 0.5 * weight_decay * sum((p**2).sum() for p in x)

    x, last, rate, rates, memory = [p.clone() for p in BEGIN], None, lr, [], {}
    for t in range(1, steps + 1):
        if last is not None:
            before, d, eta = last
            eta = torch.tensor(eta, dtype=torch.float64, requires_grad=True)
            (slope,) = torch.autograd.grad(loss([p - eta * one for p, one in zip(before, d)]), eta)
            leaves = [p.clone().requires_grad_() for p in x]
            g = torch.autograd.grad(loss(leaves), leaves)
            norms = math.sqrt(sum(float((one**2).sum()) for one in g) * sum(float((one**2).sum()) for one in d))
            rate = rate * (1 - hyper_lr * slope.item() / norms) if multiplicative else rate - hyper_lr * slope.item()
        leaves = [p.clone().requires_grad_() for p in x]
        d = direction(torch.autograd.grad(loss(leaves), leaves), t, memory)
        last = ([p.clone() for p in x], d, rate)
        x = [p - rate * one for p, one in zip(x, d)]
        rates.append(rate)
    return rates, x


def adam_by_hand(g, t, memory, beta1=0.9, beta2=0.999, eps=1e-8):
    """Adam's direction for a list of tensors, in NumPy."""
    g = [one.numpy() for one in g]
    memory["m"] = [beta1 * m + (1 - beta1) * one for m, one in zip(memory.get("m", [0.0] * len(g)), g)]
    memory["v"] = [beta2 * v + (1 - beta2) * one * one for v, one in zip(memory.get("v", [0.0] * len(g)), g)]
    return [torch.from_numpy(np.asarray(m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + eps)))
            for m, v in zip(memory["m"], memory["v"])]


@pytest.mark.parametrize("multiplicative", [False, True])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize(("name", "direction"), [("hypergradient_sgd", lambda g, t, memory: g),
                                                 ("hypergradient_adam", adam_by_hand)])
@pytest.mark.parametrize(("lr", "hyper_lr"), [(0.01, 1e-3), (0.05, 1e-2)])
def test_hypergradient_follows_the_derivative_of_the_loss_by_the_rate(
        name, direction, lr, hyper_lr, multiplicative, weight_decay):
    x = [torch.nn.Parameter(p.clone()) for p in BEGIN]
    optimizer = optimizers.make(name, x, lr=lr, hyper_lr=hyper_lr, multiplicative=multiplicative,
                                weight_decay=weight_decay)
    rates = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        valley(x).backward()
        optimizer.step()
        rates.append(next(s["rate"].item() for s in optimizer.state.values() if "rate" in s))
    expected, end = definition(direction, lr, hyper_lr, multiplicative, STEPS, weight_decay)
    found = max(difference(np.array(rates), np.array(expected)), difference([p.detach() for p in x], end))
    assert found < 1e-9 and max(rates) > 1.05 * lr
    note("optimizer", name, "autograd through the step", found)


# SGD with annealing, against NumPy and its limits.


def annealed_by_hand(x, steps, lr, rates, temperature, cooling, seed):
    """The method in NumPy on ½ a x², from the same random stream; → (path, accepted)."""
    a, path, taken = np.array([1.0, 5.0]), [], []
    for t in range(1, steps + 1):
        draws = generator(seed, "annealing", t)
        eta = lr * rates[torch.randint(len(rates), (1,), generator=draws).item()]
        u = torch.rand((), generator=draws, dtype=torch.float64).item()
        y = x - eta * a * x
        rise = 0.5 * (a * y * y).sum() - 0.5 * (a * x * x).sum()
        heat = temperature * cooling ** (t - 1)
        taken.append(rise <= 0 or (heat > 0 and u < math.exp(-rise / heat)))
        x = y if taken[-1] else x
        path.append(x)
    return np.array(path), np.array(taken)


def annealed(steps, start=(1.0, -2.0), **options):
    """Ours on ½ a x², as an optimizer with a closure."""
    a, x = torch.tensor([1.0, 5.0], dtype=torch.float64), torch.nn.Parameter(torch.tensor(start, dtype=torch.float64))
    optimizer, path, taken = optimizers.make("annealed_sgd", [x], **options), [], []

    def closure():
        optimizer.zero_grad()
        loss = 0.5 * (a * x * x).sum()
        loss.backward()
        return loss

    for _ in range(steps):
        optimizer.step(closure)
        path.append(x.detach().clone().numpy())
        taken.append(bool(optimizer.state[x]["accepted"]))
    return np.array(path), np.array(taken)


@given(temperature=st.sampled_from([0.0, 0.01, 0.3, 2.0, math.inf]), cooling=st.sampled_from([0.9, 0.999, 1.0]),
       seed=st.integers(0, 999), lr=st.sampled_from([0.5, 1.0]))
@example(temperature=0.3, cooling=0.999, seed=1, lr=1.0)
@settings(max_examples=4, deadline=None)
def test_annealed_sgd_equals_numpy(temperature, cooling, seed, lr):
    options = {"lr": lr, "rates": (0.05, 0.2, 0.39, 0.43), "temperature": temperature, "cooling": cooling, "seed": seed}
    (mine, taken), (theirs, expected) = annealed(STEPS, **options), annealed_by_hand(
        np.array([1.0, -2.0]), STEPS, **options)
    assert (taken == expected).all()
    found = difference(mine, theirs)
    assert found < 1e-12
    note("optimizer", "annealed_sgd", "NumPy", found)


def test_annealed_sgd_cold_only_descends_and_hot_takes_every_move():
    options = {"rates": (0.1, 0.5), "cooling": 1.0}            # 0.5 overshoots: 1 − 0.5 · 5 = −1.5
    path, taken = annealed(60, temperature=0.0, **options)
    losses = (0.5 * np.array([1.0, 5.0]) * path**2).sum(1)
    assert (np.diff(losses) <= 0).all() and 0 < taken.mean() < 1
    path, taken = annealed(60, temperature=math.inf, **options)
    assert taken.all() and {round(r, 6) for r in path[1:, 1] / path[:-1, 1]} == {0.5, -1.5}


@pytest.mark.parametrize("rise", [0.05, 0.5, 2.0])
def test_a_worsening_move_is_accepted_as_often_as_metropolis_says(rise):
    x, n, temperature = [torch.zeros(1)], 2000, 0.7
    state, loss = rules.annealed_sgd.init(x), torch.tensor(1.0)
    taken = sum(rules.annealed_sgd(x, x, state, t, loss=loss, loss_at=lambda _: loss + rise, temperature=temperature,
                                   cooling=1.0)[1]["accepted"].item() for t in range(1, n + 1))
    p = math.exp(-rise / temperature)
    assert abs(taken / n - p) < 4 * math.sqrt(p * (1 - p) / n)


def test_every_rate_of_the_set_is_drawn_as_often():
    x, n, chosen = [torch.zeros(1)], 1500, (0.1, 0.2, 0.4)
    state, loss = rules.annealed_sgd.init(x), torch.tensor(1.0)
    drawn = [rules.annealed_sgd(x, x, state, t, loss=loss, loss_at=lambda _: loss, rates=chosen)[1]["rate"].item()
             for t in range(1, n + 1)]
    for rate in chosen:
        share = sum(abs(r - rate) < 1e-6 for r in drawn) / n
        assert abs(share - 1 / 3) < 4 * math.sqrt(2 / 9 / n)
