"""One description of a run, or of the lanes of a sweep: checked once, then passed whole."""

import dataclasses
import inspect
import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch

from .._base import device as devices
from .._base.arguments import (
    LARGEST_SEED,
    axes_of,
    check_diverged_at,
    check_gradients,
    check_task,
    factors_of,
    held,
    numbers_of,
    plans_of,
    seed_list,
    shown,
    steps_of,
    whole,
)
from .._base.streams import origin
from .._base.start import check_project, given, snapshot_steps
from ..methods import rules
from .evaluation import evaluation_steps
from .trial import try_out
from .watching import check_plateau, check_stop, check_watched, fresh

PATHS = ("auto", "eager", "compiled", "loop")
HINTS = {
    **dict.fromkeys(("seed", "seeds"), "a single run has one seed=, lrlib.sweep takes seeds="),
    **dict.fromkeys(("path", "jobs", "folder", "lanes"), "lrlib.sweep takes it"),
    **dict.fromkeys(("plateau", "stop", "checkpoint", "checkpoint_every"), "it is of a single run: lrlib.fit takes it"),
    "on_event": "lrlib.fit and lrlib.sweep take it",
    "optimizer": 'the method is the argument rule, as rule="adam"',
}


@dataclass(frozen=True, eq=False)
class Description:
    """What is run: a method on a task, in L lanes, each a base rate and a seed, ordered rate first.

    task: the `Task`.  rule: a `Rule`, or a function ``parameters -> torch.optim.Optimizer`` (a single run only).
    lr0: base rates [L], nan where the caller's optimizer brings its own.  seed: [L].
    hyper: option → number, or one value a lane [L]; where the option follows a plan, its base value.
    plan: factor of the rate, or None.  plans: option → plan.  factors: "lr" and those options → [steps].
    steps, device, dtype.  when: numbers of updates after which a run is evaluated.
    snapshots: numbers of updates after which weights are kept.  diverged_at: multiple of the first loss.
    start: weights to begin from, {name: [L, …]}, or None for those of the seeds.
    plateau, stop: of a single run, or None.  path: as it was asked for.  origin: what seeds count from.

    Engines take it whole, and nothing in it changes. `describe` builds one.
    """

    task: object
    rule: object
    lr0: np.ndarray
    seed: np.ndarray
    hyper: dict
    plan: object
    plans: dict
    factors: dict
    steps: int
    device: torch.device
    dtype: torch.dtype
    when: tuple
    snapshots: tuple
    diverged_at: float
    start: dict | None
    plateau: object
    stop: object
    path: str
    origin: int

    @property
    def seeds(self):
        """The different seeds, in order."""
        return list(dict.fromkeys(self.seed.tolist()))

    @property
    def brings_optimizer(self):
        """Whether the method is a function that makes an optimizer, and no rule."""
        return not isinstance(self.rule, rules.Rule)

    def base(self, option):
        """Base value of an option that follows a plan: a number, or [L]."""
        return self.lr0 if option == "lr" else self.hyper.get(option, self.rule.defaults[option])

    def planned(self, start, stop):
        """What steps start … stop − 1 are to apply: [k, 1 + P, L], the rate and the P options that follow plans."""
        bases = [np.broadcast_to(self.base(name), self.lr0.shape) for name in self.factors]
        pairs = zip(self.factors.values(), bases)
        return np.stack([factors[start:stop, None] * base for factors, base in pairs], axis=1)

    def at(self, rates):
        """The same seeds at other base rates; the options and the weights to start from are one for all lanes."""
        lr0, seed = np.repeat(np.asarray(rates, dtype=float), len(self.seeds)), np.tile(self.seeds, len(rates))
        return dataclasses.replace(self, lr0=lr0, seed=seed)

    def part(self, lanes):
        """The description of some of the lanes, by their numbers."""
        lanes = np.asarray(lanes, dtype=int)
        hyper = {name: v[lanes] if isinstance(v, np.ndarray) else v for name, v in self.hyper.items()}
        start = None if self.start is None else {name: v[lanes] for name, v in self.start.items()}
        return dataclasses.replace(self, lr0=self.lr0[lanes], seed=self.seed[lanes], hyper=hyper, start=start)

    def options_of(self, lane):
        """The options of one lane as the optimizer's class takes them: ``lr``, hyper-parameters, the rule's seed."""
        options = {name: v[lane].item() if isinstance(v, np.ndarray) else v for name, v in self.hyper.items()}
        own = {"seed": int(self.seed[lane])} if "seed" in self.rule.defaults else {}
        return {"lr": float(self.lr0[lane]), **options, **own}


def parted(call, rule, given, but=()):
    """Keyword arguments as two dicts: those that ``call``, `lrlib.fit` or `lrlib.sweep`, has, and options of the rule.

    ``but``: arguments of ``call``, or options, that are not taken here. Raises ``TypeError`` for what is neither, with
    a hint and what is allowed. Options beside a function that makes an optimizer are `describe`'s to refuse.

    >>> def call(task, rule, *, seed=0, steps=None):
    ...     pass
    >>> parted(call, "momentum", {"steps": 9, "momentum": 0.5})
    ({'steps': 9}, {'momentum': 0.5})
    >>> parted(call, "sgd", {"lanes": 3})
    Traceback (most recent call last):
    ...
    TypeError: unknown option 'lanes' (lrlib.sweep takes it): allowed are lr, weight_decay, seed, steps
    """
    named = inspect.signature(call).parameters.values()
    arguments = [p.name for p in named if p.kind is p.KEYWORD_ONLY and p.name not in but]
    own = {name: value for name, value in given.items() if name in arguments}
    options = {name: value for name, value in given.items() if name not in arguments}
    known = _options_of(rule, but) if options else []
    for name in options:
        if name in HINTS or known is not None and name not in known:
            hint = f" ({HINTS[name]})" if name in HINTS else ""
            raise TypeError(f"unknown option {name!r}{hint}: allowed are {', '.join([*(known or []), *arguments])}")
    return own, options


def _options_of(rule, but):
    """Options of a rule that a run leaves to the caller; None for a function that makes an optimizer."""
    left_out = ("seed", *but)
    return None if _makes_optimizer(rule) else [name for name in rules.get(rule).defaults if name not in left_out]


def describe(
    task,
    rule="sgd",
    lr=None,
    *,
    seeds=1,
    plan=None,
    plans=None,
    steps=None,
    device="cpu",
    dtype=torch.float32,
    evaluate=None,
    snapshots=None,
    diverged_at=1e3,
    start=None,
    plateau=None,
    stop=None,
    path="auto",
    place="process",
    hyper=None,
):
    """Check the arguments of `lrlib.fit` and `lrlib.sweep`, and return the `Description` that they make.

    ``hyper``: options of the rule by name, apart from the arguments, so that none of these is taken for one (`parted`).
    ``place``: where it runs, in this "process", on this "machine", or "elsewhere", where the devices may be others.
    Raises ``ValueError`` and ``TypeError`` naming the argument, or the field of the task (`try_out`), before anything
    runs. Warns where the plan ends in 0 before the run does.

    >>> from lrlib import linear, tasks
    >>> rates, beta = [1.0, 2.0], [0.8, 0.9]
    >>> options = {"momentum": beta}
    >>> found = describe(tasks.quadratic(), "momentum", rates, seeds=2, plan=linear(4), steps=3, hyper=options)
    >>> found.lr0.tolist(), found.hyper["momentum"].tolist(), found.planned(1, 2)[0, 0].tolist()
    ([1.0, 1.0, 2.0, 2.0], [0.8, 0.8, 0.9, 0.9], [0.75, 0.75, 1.5, 1.5])
    """
    check_gradients()
    check_task(task)
    check_diverged_at(diverged_at)
    check_plateau(plateau)
    check_stop(stop)
    if not isinstance(path, str) or path not in PATHS:
        raise ValueError(f"path must be one of {', '.join(map(repr, PATHS))}; got {path!r}")
    steps, seeds = steps_of(task, steps), seed_list(seeds)
    factors = {"lr": factors_of(plan, steps), **plans_of(plans, steps)}
    method, rates, hyper = _method(rule, lr, hyper or {}, len(seeds))
    where = devices.choose(device, dtype, here=place != "elsewhere")
    for name, values in {"lr": rates * max(1.0, factors["lr"].max()), **hyper}.items():
        held(name, values, dtype)
    if place == "process" or where.type == "cpu":
        try_out(task, seeds[0], dtype, where)
    found = Description(
        task=task,
        rule=method,
        lr0=np.repeat(rates, len(seeds)),
        seed=np.tile(np.array(seeds), len(rates)),
        hyper=hyper,
        plan=plan,
        plans=dict(plans or {}),
        factors=factors,
        steps=steps,
        device=where,
        dtype=dtype,
        when=tuple(evaluation_steps(evaluate, steps)),
        snapshots=tuple(snapshot_steps(snapshots, steps)),
        diverged_at=float(diverged_at),
        start=given(start, task, seeds[0], len(rates) * len(seeds)),
        plateau=fresh(plateau),
        stop=fresh(stop),
        path=path,
        origin=origin(),
    )
    check_watched(task, evaluate, stop=stop, plateau=plateau)
    check_project(task, seeds[0])
    _check_planned(found)
    _check_rate_plan(plan, factors["lr"])
    return found


def describe_one(task, rule="sgd", lr=None, *, seed=0, start=None, hyper=None, **settings):
    """The `Description` of a single run: as `describe`, with one rate, one seed, and weights without a lane axis.

    >>> from lrlib import tasks
    >>> describe_one(tasks.quadratic(), lr=[0.1, 0.2])
    Traceback (most recent call last):
    ...
    ValueError: lr must be one number in a single run; got [0.1, 0.2]; lrlib.sweep takes several
    """
    options = {} if _makes_optimizer(rule) else rules.get(rule).defaults
    for name, value in {"lr": lr, **(hyper or {})}.items():
        if axes_of(value) > np.ndim(options.get(name, 0.0)):
            raise ValueError(f"{name} must be one number in a single run; got {value!r}; lrlib.sweep takes several")
    found = describe(task, rule, lr, seeds=[whole("seed", seed, 0, LARGEST_SEED)], hyper=hyper, **settings)
    weights = given(start, task, found.seeds[0]) or {}
    return dataclasses.replace(found, start={name: value[None] for name, value in weights.items()} or None)


def stacked(rule):
    """The `Rule` of that name, or itself; ``ValueError`` for a function that makes an optimizer of the caller's own.

    >>> stacked(len)
    Traceback (most recent call last):
    ...
    ValueError: rule must be a rule or its name in a sweep; got <built-in function len>: lrlib.fit takes an optimizer
    """
    if _makes_optimizer(rule):
        raise ValueError(f"rule must be a rule or its name in a sweep; got {shown(rule)}: lrlib.fit takes an optimizer")
    return rules.get(rule)


def _makes_optimizer(rule):
    """Whether the method is a function that makes an optimizer; ``TypeError`` for an optimizer that is made already."""
    if isinstance(rule, torch.optim.Optimizer) or (hasattr(rule, "param_groups") and not isinstance(rule, type)):
        kind = type(rule).__name__
        raise TypeError(
            f"rule must be a rule, its name, or a function parameters -> torch.optim.Optimizer; got an optimizer of "
            f"parameters that no run trains: write lambda parameters: {kind}(parameters, …)"
        )
    return callable(rule) and not isinstance(rule, rules.Rule)


def _method(rule, lr, hyper, seeds):
    """Rule or maker of an optimizer, base rates, and options as numbers or one value a lane."""
    if _makes_optimizer(rule):
        if lr is not None or hyper:
            raise ValueError(
                f"lr and {', '.join(hyper) or 'options'} come from the optimizer that you make; "
                f"got lr={lr!r}, {hyper!r}"
            )
        return rule, np.array([np.nan]), {}
    rule = rules.get(rule)
    lr = rule.defaults["lr"] if lr is None else lr
    rule.check(lr=lr)
    rates = np.atleast_1d(numbers_of("lr", lr))
    if rates.ndim != 1 or not len(rates):
        raise ValueError(f"lr must be a number or a list of numbers; got an array of shape {rates.shape}")
    rule.check(**hyper)
    spread = {name: _spread(name, v, rule.defaults[name], len(rates), seeds=seeds) for name, v in hyper.items()}
    return rule, rates, spread


def _spread(name, value, default, rates, seeds):
    """A number stays; an array [rates] becomes one value a lane."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if np.ndim(default) or isinstance(value, bool):
        return value
    if np.ndim(value) == 0:
        return float(value)
    if np.shape(value) != (rates,):
        allowed = f"{name} must be a number or have one value for each of the {rates} rates"
        raise ValueError(f"{allowed}; got shape {np.shape(value)}")
    return np.repeat(np.asarray(value, dtype=float), seeds)


def _check_planned(description):
    """Raise where plans name options that the rule lacks, change nothing, or leave an option's range."""
    if description.brings_optimizer:
        return
    rule, factors = description.rule, description.factors
    rule.check(**{name: 0.0 for name in factors if name not in rule.defaults})
    still = [name for name in description.plans if not np.any(description.base(name))]
    if still:
        raise ValueError(
            f"plans: {still[0]} is 0, so a plan, a factor of it, changes nothing; give its largest {still[0]}"
        )
    ends = {name: np.array([each.min(), each.max()])[:, None] for name, each in factors.items()}
    rule.check(**{name: each * description.base(name) for name, each in ends.items()})


def _check_rate_plan(plan, factors):
    """Raise where the plan of the rate is 0 throughout the run; warn where it is 0 from its end on."""
    if not factors.any():
        raise ValueError(
            f"plan is 0 at each of the {len(factors)} steps, so nothing would be trained; got {shown(plan)}"
        )
    length = getattr(plan, "length", math.inf)
    if length < len(factors) - 1 and not factors[math.ceil(length) :].any():
        warnings.warn(
            f"plan ends after {length} of the {len(factors)} steps, and the rate is 0 from there on: nothing is "
            f"trained in the last {len(factors) - math.ceil(length)}; plan.resize({len(factors)}) fits it to the run",
            stacklevel=5,
        )
