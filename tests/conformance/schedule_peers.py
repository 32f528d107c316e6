"""Every scheduler of the peers beside the plan that means the same, with hyper-parameters to be drawn.

``CASES`` lists `Case` objects; ``draw(data)`` gives a `Setting`: base rates of the groups, our plan (and plans of other
options), and a function that puts the peer's scheduler on an optimizer and returns what steps it.
"""

from dataclasses import dataclass, field

import oracles
import pytorch_optimizer.lr_scheduler as peer
from hypothesis import strategies as st
from torch.optim import lr_scheduler as torch_lr
from torch.optim.swa_utils import SWALR

from lrlib import plans as s

rates = st.floats(0.25, 2.0)
lengths = st.integers(2, 150)
gammas = st.floats(0.5, 0.999)
parts = st.floats(0.01, 1.0)


@dataclass
class Setting:
    """One drawn comparison; ``peer(optimizer)`` returns a function ``advance(t)``, called after step t."""

    plan: object
    peer: object
    plans: dict = field(default_factory=dict)
    bases: tuple = (1.0, 0.5, 2.0)
    momentum: float = 0.0
    steps: int = 230


@dataclass
class Case:
    """``row`` names our schedule, ``oracle`` the peer and ``name`` its scheduler."""

    row: str
    oracle: str
    name: str
    draw: object
    tensor_rate: bool = True


CASES = []


def case(row, name, oracle="torch", tensor_rate=True):
    """Decorate ``draw(data) -> Setting`` and list it."""

    def listed(draw):
        CASES.append(Case(row, oracle, name, draw, tensor_rate))
        return draw

    return listed


def torch_scheduler(cls, *args, **options):
    """A function that puts a torch scheduler on an optimizer."""

    def put(optimizer):
        scheduler = cls(optimizer, *args, **options)
        return lambda t: scheduler.step()

    return put


def groups(data):
    return tuple(data.draw(st.lists(rates, min_size=1, max_size=3), label="base rates"))


# -- torch ------------------------------------------------------------------------------------------------------------


@case("constant", "ConstantLR")
def constant(data):
    n, low = data.draw(lengths), data.draw(parts)
    return Setting(s.hold(n, low) >> s.constant(), torch_scheduler(torch_lr.ConstantLR, low, n), bases=groups(data))


@case("step", "StepLR")
def step(data):
    every, gamma = data.draw(st.integers(1, 60)), data.draw(gammas)
    return Setting(s.step(every, gamma), torch_scheduler(torch_lr.StepLR, every, gamma), bases=groups(data))


@case("multi_step", "MultiStepLR")
def multi_step(data):
    milestones = sorted(data.draw(st.lists(st.integers(1, 220), min_size=1, max_size=5)))
    gamma = data.draw(gammas)
    return Setting(
        s.multi_step(milestones, gamma), torch_scheduler(torch_lr.MultiStepLR, milestones, gamma), bases=groups(data)
    )


@case("piecewise", "MultiStepLR")
def piecewise(data):
    at = sorted(data.draw(st.sets(st.integers(1, 220), min_size=1, max_size=5)))
    gamma = data.draw(gammas)
    table = {t: gamma**k for k, t in enumerate([0, *at])}
    return Setting(s.piecewise(table), torch_scheduler(torch_lr.MultiStepLR, at, gamma), bases=groups(data))


@case("linear", "LinearLR")
def linear(data):
    n, start, end = data.draw(lengths), data.draw(parts), data.draw(parts)
    return Setting(s.ramp(n, start, end), torch_scheduler(torch_lr.LinearLR, start, end, n), bases=groups(data))


@case("warmup", "LinearLR")
def warmup(data):
    n = data.draw(lengths)
    return Setting(s.warmup(n), torch_scheduler(torch_lr.LinearLR, 1 / (n + 1), 1, n), bases=groups(data))


@case("exponential", "ExponentialLR")
def exponential(data):
    gamma = data.draw(gammas)
    return Setting(s.exponential(rate=gamma), torch_scheduler(torch_lr.ExponentialLR, gamma), bases=groups(data))


@case("geometric_cooling", "MultiplicativeLR")
def geometric(data):
    gamma = data.draw(gammas)
    return Setting(
        s.geometric_cooling(gamma), torch_scheduler(torch_lr.MultiplicativeLR, lambda t: gamma), bases=groups(data)
    )


@case("polynomial", "PolynomialLR")
def polynomial(data):
    n, power = data.draw(lengths), data.draw(st.floats(0.5, 4))
    return Setting(s.polynomial(n, power), torch_scheduler(torch_lr.PolynomialLR, n, power), bases=groups(data))


@case("cosine", "CosineAnnealingLR")
def cosine(data):
    n = data.draw(st.integers(200, 300))
    low = data.draw(st.floats(0, 0.9))
    base = data.draw(rates)
    return Setting(
        s.cosine(n, final=low),
        torch_scheduler(torch_lr.CosineAnnealingLR, n, low * base),
        bases=(base, base),
        steps=n + 1,
    )


@case("cosine_restarts", "CosineAnnealingWarmRestarts")
def restarts(data):
    n, stretch, low = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 3)), data.draw(st.floats(0, 0.9))
    base = data.draw(rates)
    times = None if stretch == 1 else 9
    return Setting(
        s.cosine_restarts(n, times, stretch, final=low),
        bases=(base, base),
        peer=torch_scheduler(torch_lr.CosineAnnealingWarmRestarts, n, stretch, low * base),
    )


def one_cycle_with(data, three_phase):
    n = data.draw(st.integers(200, 300))
    peak = data.draw(st.integers(2, n // 2 - 1))
    shape = data.draw(st.sampled_from(["cosine", "linear"]))
    div, final_div = data.draw(st.floats(1.5, 50)), data.draw(st.floats(1.5, 1e4))
    low, high = sorted(data.draw(st.tuples(st.floats(0.3, 0.8), st.floats(0.81, 0.95))))
    bases, shared = groups(data), {"rise": peak / n, "shape": shape, "three_phase": three_phase}

    def put(optimizer):
        names = {"cosine": "cos", "linear": "linear"}
        scheduler = torch_lr.OneCycleLR(
            optimizer,
            list(bases),
            n,
            pct_start=peak / n,
            anneal_strategy=names[shape],
            base_momentum=low,
            max_momentum=high,
            div_factor=div,
            final_div_factor=final_div,
            three_phase=three_phase,
        )
        return lambda t: scheduler.step() if t < n - 1 else None

    plans = {"momentum": s.one_cycle_momentum(n, low, high, **shared)}
    return Setting(s.one_cycle(n, div=div, final_div=final_div, **shared), put, plans, bases, high, n)


@case("one_cycle", "OneCycleLR")
def one_cycle(data):
    return one_cycle_with(data, three_phase=False)


@case("one_cycle, three phases", "OneCycleLR")
def three_phases(data):
    return one_cycle_with(data, three_phase=True)


def cyclic(data, mode, make, gamma=1.0):
    up, down = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 60))
    low, bases = data.draw(st.floats(0.05, 0.9)), groups(data)
    lowest, highest = sorted(data.draw(st.tuples(st.floats(0.3, 0.8), st.floats(0.81, 0.95))))

    def put(optimizer):
        scheduler = torch_lr.CyclicLR(
            optimizer,
            [low * base for base in bases],
            list(bases),
            up,
            down,
            mode,
            gamma,
            base_momentum=lowest,
            max_momentum=highest,
        )
        return lambda t: scheduler.step()

    swing = make(up, 0, down)
    momentum = lambda t: 1 - (1 - lowest / highest) * swing(t)
    return Setting(make(up, low, down), put, {"momentum": momentum}, bases, highest)


@case("triangular", "CyclicLR")
def triangular(data):
    return cyclic(data, "triangular", s.triangular)


@case("triangular2", "CyclicLR")
def triangular2(data):
    return cyclic(data, "triangular2", s.triangular2)


@case("exp_range", "CyclicLR")
def exp_range(data):
    gamma = data.draw(st.floats(0.98, 1))
    return cyclic(data, "exp_range", lambda up, low, down: s.exp_range(up, low, gamma, down), gamma)


@case("slanted_triangular", "CyclicLR")
def slanted(data):
    """One cycle of it, with its peak at a whole step."""
    n, ratio, bases = data.draw(st.integers(200, 300)), data.draw(st.floats(1.5, 50)), groups(data)
    cut = data.draw(st.integers(1, n - 2))
    put = torch_scheduler(
        torch_lr.CyclicLR, [base / ratio for base in bases], list(bases), cut, n - cut, cycle_momentum=False
    )
    return Setting(s.slanted_triangular(n, rise=cut / n, ratio=ratio), put, bases=bases, steps=n + 1)


@case("any plan", "LambdaLR")
def lambda_lr(data):
    plan = s.warmup(data.draw(lengths)) >> s.cosine_restarts(data.draw(lengths), decay=data.draw(gammas), final=0.01)
    return Setting(plan, torch_scheduler(torch_lr.LambdaLR, plan), bases=groups(data))


@case("a >> b >> c", "SequentialLR")
def sequential(data):
    a, b, c = (data.draw(st.integers(2, 80)) for _ in range(3))
    gamma = data.draw(gammas)

    def put(optimizer):
        inner = [
            torch_lr.LinearLR(optimizer, 1 / (a + 1), 1, a),
            torch_lr.CosineAnnealingLR(optimizer, b),
            torch_lr.StepLR(optimizer, c, gamma),
        ]
        scheduler = torch_lr.SequentialLR(optimizer, inner, [a, a + b])
        return lambda t: scheduler.step()

    return Setting(s.warmup(a) >> s.cosine(b) >> s.step(c, gamma), put, bases=groups(data))


@case("a * b", "ChainedScheduler")
def chained(data):
    n, low, gamma = data.draw(lengths), data.draw(parts), data.draw(gammas)

    def put(optimizer):
        inner = [torch_lr.LinearLR(optimizer, low, 1, n), torch_lr.ExponentialLR(optimizer, gamma)]
        scheduler = torch_lr.ChainedScheduler(inner, optimizer)
        return lambda t: scheduler.step()

    return Setting(s.ramp(n, low, 1) * s.exponential(rate=gamma), put, bases=groups(data))


@case("cosine, to a rate held", "SWALR")
def swa(data):
    n, low, base = data.draw(lengths), data.draw(st.floats(0.01, 0.9)), data.draw(rates)
    shape = data.draw(st.sampled_from(["cosine", "linear"]))
    strategy = {"cosine": "cos", "linear": "linear"}[shape]
    put = torch_scheduler(SWALR, low * base, n, strategy)
    return Setting(s.ramp(n, 1, low, shape), put, bases=(base, base))


# -- timm: a scheduler is told the number of the next step ------------------------------------------------------------


def timm_scheduler(module, cls, **options):
    def put(optimizer):
        kind = getattr(oracles.timm(f"timm.scheduler.{module}"), cls)
        scheduler = kind(optimizer, t_in_epochs=False, **options)
        return lambda t: scheduler.step_update(t + 1)

    return put


@case("step", "StepLRScheduler", "timm", tensor_rate=False)
def timm_step(data):
    warm, every, gamma = data.draw(lengths), data.draw(st.integers(1, 60)), data.draw(gammas)
    put = timm_scheduler("step_lr", "StepLRScheduler", decay_t=every, decay_rate=gamma, warmup_t=warm)
    return Setting(s.warmup(warm, start=0) >> s.step(every, gamma), put, bases=groups(data))


@case("polynomial", "PolyLRScheduler", "timm", tensor_rate=False)
def timm_polynomial(data):
    n, power, low, base = (
        data.draw(lengths),
        data.draw(st.floats(0.5, 4)),
        data.draw(st.floats(0, 0.9)),
        data.draw(rates),
    )
    put = timm_scheduler("poly_lr", "PolyLRScheduler", t_initial=n, power=power, lr_min=low * base)
    return Setting(s.polynomial(n, power, final=low), put, bases=(base, base))


@case("cosine_restarts, peaks decay", "CosineLRScheduler", "timm", tensor_rate=False)
def timm_restarts(data):
    n, stretch, decay = data.draw(st.integers(10, 60)), data.draw(st.integers(1, 2)), data.draw(gammas)
    warm, low, base, times = (
        data.draw(lengths),
        data.draw(st.floats(0, 0.3)),
        data.draw(rates),
        data.draw(st.integers(1, 3)),
    )
    put = timm_scheduler(
        "cosine_lr",
        "CosineLRScheduler",
        t_initial=n,
        lr_min=low * base,
        cycle_mul=stretch,
        cycle_decay=decay,
        cycle_limit=times,
        warmup_t=warm,
        warmup_prefix=True,
    )
    plan = s.warmup(warm, start=0) >> s.cosine_restarts(n, times, stretch, decay, final=low)
    return Setting(plan, put, bases=(base, base))


SHAPES = {"linear": "linear", "cosine": "cosine", "1-sqrt": "1-sqrt", "1-square": "power"}


@case("wsd", "WSDLRScheduler", "timm", tensor_rate=False)
def timm_wsd(data):
    warm, stay, cool = data.draw(lengths), data.draw(st.integers(0, 90)), data.draw(lengths)
    shape, low, base = data.draw(st.sampled_from(sorted(SHAPES))), data.draw(st.floats(0, 0.9)), data.draw(rates)
    put = timm_scheduler(
        "wsd_lr",
        "WSDLRScheduler",
        t_initial=stay + cool,
        decay_t=cool,
        lr_min=low * base,
        warmup_t=warm,
        decay_fn=SHAPES[shape],
        decay_power=2.0,
    )
    plan = s.warmup(warm, start=0) >> s.wsd(stay + cool, cool=cool, shape=shape, final=low)
    return Setting(plan, put, bases=(base, base))


def timm_power(data, power, **options):
    tau = data.draw(st.integers(1, 150))
    put = timm_scheduler(
        "wsd_lr", "WSDLRScheduler", t_initial=10_000, decay_t=1, warmup_t=tau, stable_timescale=tau, **options
    )
    return s.warmup(tau, start=0) >> s.inverse_time(tau, power=power), put


@case("inverse_time", "WSDLRScheduler", "timm", tensor_rate=False)
def timm_inverse_time(data):
    power = data.draw(st.floats(0.2, 2))
    plan, put = timm_power(data, power, stable_fn="power", stable_power=power)
    return Setting(plan, put, bases=groups(data))


@case("fast_cooling", "WSDLRScheduler", "timm", tensor_rate=False)
def timm_fast_cooling(data):
    tau = data.draw(st.integers(1, 150))
    put = timm_scheduler(
        "wsd_lr",
        "WSDLRScheduler",
        t_initial=10_000,
        decay_t=1,
        stable_fn="power",
        stable_power=1.0,
        stable_timescale=tau,
    )
    return Setting(s.fast_cooling(tau), put, bases=groups(data))


@case("inverse_sqrt", "WSDLRScheduler", "timm", tensor_rate=False)
def timm_inverse_sqrt(data):
    """From the peak on; the two warm up differently."""
    n = data.draw(st.integers(1, 150))
    put = timm_scheduler("wsd_lr", "WSDLRScheduler", t_initial=10_000, decay_t=1, stable_fn="rsqrt", stable_timescale=n)
    whole = s.inverse_sqrt(n)
    return Setting(lambda t: whole(t + n - 1), put, bases=groups(data))


# -- pytorch-optimizer ------------------------------------------------------------------------------------------------


@case("wsd", "get_wsd_schedule", "pytorch-optimizer")
def peer_wsd(data):
    warm, stay, cool = data.draw(lengths), data.draw(st.integers(0, 90)), data.draw(lengths)
    shape = data.draw(st.sampled_from(["linear", "cosine", "1-sqrt", "1-square"]))
    low = data.draw(st.floats(0, 0.9)) if shape == "cosine" else 0
    put = torch_scheduler(peer.get_wsd_schedule, warm, stay, cool, low, cooldown_type=shape)
    plan = s.warmup(warm, start=0) >> s.wsd(stay + cool, cool=cool, shape=shape, final=low)
    return Setting(plan, put, bases=groups(data))


@case("cosine_restarts, peaks decay", "CosineAnnealingWarmupRestarts", "pytorch-optimizer", tensor_rate=False)
def peer_restarts(data):
    n, warm, decay, base = (
        data.draw(st.integers(2, 60)),
        data.draw(st.integers(1, 20)),
        data.draw(gammas),
        data.draw(rates),
    )
    put = torch_scheduler(
        peer.CosineAnnealingWarmupRestarts, n + warm, max_lr=base, min_lr=0.0, warmup_steps=warm, gamma=decay
    )
    return Setting((s.warmup(warm, start=0) >> s.cosine(n)).repeat(decay=decay), put, bases=(base, base))


def peer_decay(data, cls, fall):
    warm, n, low, base = (
        data.draw(lengths),
        data.draw(st.integers(200, 250)),
        data.draw(st.floats(0, 0.9)),
        data.draw(rates),
    )
    start = data.draw(st.floats(0, 1))

    def put(optimizer):
        scheduler = cls(
            optimizer, t_max=warm + n, max_lr=base, min_lr=low * base, init_lr=start * base, warmup_steps=warm
        )
        scheduler.step()  # its constructor leaves min_lr; the first step's rate comes from the first call
        return lambda t: scheduler.step()

    return Setting(s.warmup(warm, start=start) >> fall(n, final=low), put, bases=(base, base), steps=warm + n + 1)


@case("linear", "LinearScheduler", "pytorch-optimizer", tensor_rate=False)
def peer_linear(data):
    return peer_decay(data, peer.LinearScheduler, s.linear)


@case("cosine", "CosineScheduler", "pytorch-optimizer", tensor_rate=False)
def peer_cosine(data):
    return peer_decay(data, peer.CosineScheduler, s.cosine)
