"""Rules without a peer against their definitions: hypergradient descent by autograd, annealed SGD in NumPy."""

import math

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from table import difference, note

from lrlib import optimizers, rules, streams

STEPS = 205


def valley(x):
    """A smooth loss of two tensors, neither round nor quadratic."""
    return (
        0.5 * (x[0] ** 2 * torch.tensor([1.0, 3.0], dtype=torch.float64)).sum() + (x[1] - x[0].sum()).cosh().log().sum()
    )


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
    return [
        torch.from_numpy(np.asarray(m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + eps)))
        for m, v in zip(memory["m"], memory["v"])
    ]


@pytest.mark.parametrize("multiplicative", [False, True])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize(
    ("name", "direction"), [("hypergradient_sgd", lambda g, t, memory: g), ("hypergradient_adam", adam_by_hand)]
)
@pytest.mark.parametrize(("lr", "hyper_lr"), [(0.01, 1e-3), (0.05, 1e-2)])
def test_hypergradient_follows_the_derivative_of_the_loss_by_the_rate(
    name, direction, lr, hyper_lr, multiplicative, weight_decay
):
    x = [torch.nn.Parameter(p.clone()) for p in BEGIN]
    optimizer = optimizers.make(
        name, x, lr=lr, hyper_lr=hyper_lr, multiplicative=multiplicative, weight_decay=weight_decay
    )
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
        draws = streams.generator(seed, "annealing", t)
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


@given(
    temperature=st.sampled_from([0.0, 0.01, 0.3, 2.0, math.inf]),
    cooling=st.sampled_from([0.9, 0.999, 1.0]),
    seed=st.integers(0, 999),
    lr=st.sampled_from([0.5, 1.0]),
)
@example(temperature=0.3, cooling=0.999, seed=1, lr=1.0)
@settings(max_examples=4, deadline=None)
def test_annealed_sgd_equals_numpy(temperature, cooling, seed, lr):
    options = {"lr": lr, "rates": (0.05, 0.2, 0.39, 0.43), "temperature": temperature, "cooling": cooling, "seed": seed}
    (mine, taken), (theirs, expected) = (
        annealed(STEPS, **options),
        annealed_by_hand(np.array([1.0, -2.0]), STEPS, **options),
    )
    assert (taken == expected).all()
    found = difference(mine, theirs)
    assert found < 1e-12
    note("optimizer", "annealed_sgd", "NumPy", found)


def test_annealed_sgd_cold_only_descends_and_hot_takes_every_move():
    options = {"rates": (0.1, 0.5), "cooling": 1.0}  # 0.5 overshoots: 1 − 0.5 · 5 = −1.5
    path, taken = annealed(60, temperature=0.0, **options)
    losses = (0.5 * np.array([1.0, 5.0]) * path**2).sum(1)
    assert (np.diff(losses) <= 0).all() and 0 < taken.mean() < 1
    path, taken = annealed(60, temperature=math.inf, **options)
    assert taken.all() and {round(r, 6) for r in path[1:, 1] / path[:-1, 1]} == {0.5, -1.5}


@pytest.mark.parametrize("rise", [0.05, 0.5, 2.0])
def test_a_worsening_move_is_accepted_as_often_as_metropolis_says(rise):
    x, n, temperature = [torch.zeros(1)], 2000, 0.7
    state, loss = rules.annealed_sgd.init(x), torch.tensor(1.0)
    taken = sum(
        rules.annealed_sgd(
            x, x, state, t, loss=loss, loss_at=lambda _: loss + rise, temperature=temperature, cooling=1.0
        )[1]["accepted"].item()
        for t in range(1, n + 1)
    )
    p = math.exp(-rise / temperature)
    assert abs(taken / n - p) < 4 * math.sqrt(p * (1 - p) / n)


def one_move(rise, x=0.0, t=1, **options):
    """Whether a move along a gradient of 0 that raises the loss by ``rise`` is accepted."""
    x, loss = [torch.tensor([x], dtype=torch.float64)], torch.tensor(1.0, dtype=torch.float64)
    _, state = rules.annealed_sgd(
        x, [torch.zeros_like(x[0])], rules.annealed_sgd.init(x), t, loss=loss, loss_at=lambda _: loss + rise, **options
    )
    return bool(state["accepted"])


def test_the_first_step_has_the_full_temperature_and_the_next_a_cooled_one():
    hot, cold = (sum(one_move(0.1, t=t, cooling=1e-6, seed=seed) for seed in range(50)) for t in (1, 2))
    assert hot > 35 and cold == 0  # exp(−0.1) of 50 is 45


def test_a_weight_decay_counts_in_the_acceptance_with_half_the_square():
    shrunk = {"x": 1.0, "rates": (0.5,), "temperature": 0.0, "weight_decay": 1.0}  # (1² − 0.5²) / 2 = 0.375
    assert one_move(0.37, **shrunk) and not one_move(0.38, **shrunk)


def test_every_rate_of_the_set_is_drawn_as_often():
    x, n, chosen = [torch.zeros(1)], 1500, (0.1, 0.2, 0.4)
    state, loss = rules.annealed_sgd.init(x), torch.tensor(1.0)
    drawn = [
        rules.annealed_sgd(x, x, state, t, loss=loss, loss_at=lambda _: loss, rates=chosen)[1]["rate"].item()
        for t in range(1, n + 1)
    ]
    for rate in chosen:
        share = sum(abs(r - rate) < 1e-6 for r in drawn) / n
        assert abs(share - 1 / 3) < 4 * math.sqrt(2 / 9 / n)
