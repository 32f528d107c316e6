"""The arguments of a sweep, checked, before anything runs."""

import numpy as np
import torch

from ..._base import device as devices
from ...methods import rules
from ..._base.arguments import check_diverged_at, factors_of, plans_of, seed_list, steps_of
from ..evaluation import evaluation_steps
from ..._base.start import check_project, given, snapshot_steps
from .choose import PATHS
from .lanes import Lanes


class Setup:
    """Checked arguments of one sweep; lanes are ordered rate first, ``lane = rate · seeds + seed``."""

    def __init__(
        self,
        task,
        rule,
        lr,
        seeds,
        plan,
        steps,
        device,
        dtype,
        evaluate,
        path,
        diverged_at,
        hyper,
        plans=None,
        start=None,
        snapshots=None,
    ):
        self.task, self.rule, self.plan = task, rules.get(rule), plan
        if path not in PATHS:
            raise ValueError(f"path must be one of {', '.join(map(repr, PATHS))}; got {path!r}")
        lr = self.rule.defaults["lr"] if lr is None else lr
        self.rule.check(lr=lr)
        rates = np.atleast_1d(np.asarray(lr, dtype=float))
        if rates.ndim != 1 or not len(rates):
            raise ValueError(f"lr must be a number or a list of numbers; got an array of shape {rates.shape}")
        self.seeds = seed_list(seeds)
        self.rule.check(**hyper)
        self.lr0, self.seed = np.repeat(rates, len(self.seeds)), np.tile(np.array(self.seeds), len(rates))
        self.hyper = {k: self._spread(k, v, len(rates)) for k, v in hyper.items()}
        self.steps = steps_of(task, steps)
        self.factors = factors_of(plan, self.steps)
        self.plans = dict(plans or {})
        self.planned = self._planned(plans_of(plans, self.steps))
        self.device, self.dtype = devices.choose(device, dtype), dtype
        check_diverged_at(diverged_at)
        self.diverged_at, self.path, self.evaluate = diverged_at, path, evaluate
        evaluation_steps(evaluate, self.steps)
        self.snapshots = snapshot_steps(snapshots, self.steps)
        check_project(task, self.seeds[0])
        self.start = given(start, task, self.seeds[0], len(self.lr0))

    def _planned(self, options):
        """Rate and options that follow plans, as they are to be applied: [steps, 1 + P, L]."""
        self.rule.check(**{name: 0.0 for name in options if name not in self.rule.defaults})
        base = {"lr": self.lr0, **{name: self.hyper.pop(name, self.rule.defaults[name]) for name in options}}
        factors = {"lr": self.factors, **options}
        values = {name: factors[name][:, None] * np.broadcast_to(base[name], self.lr0.shape) for name in base}
        self.rule.check(**values)
        self.base = {name: base[name] for name in options}
        return np.stack(list(values.values()), axis=1)

    def _spread(self, name, value, rates):
        """A number stays; an array [rates] becomes one value a lane."""
        if isinstance(value, torch.Tensor):
            value = value.detach().cpu().numpy()
        if np.ndim(self.rule.defaults[name]) or isinstance(value, bool):
            return value
        if np.ndim(value) == 0:
            return float(value)
        if np.shape(value) != (rates,):
            raise ValueError(
                f"{name} must be a number or have one value for each of the {rates} rates; got shape {np.shape(value)}"
            )
        return np.repeat(np.asarray(value, dtype=float), len(self.seeds))

    def lanes(self):
        """The stacked runs."""
        return Lanes(
            self.task,
            self.rule,
            self.lr0,
            self.seed,
            self.planned,
            list(self.plans),
            self.hyper,
            self.device,
            self.dtype,
            self.diverged_at,
            self.start,
        )

    def start_of(self, lane):
        """The weights that one lane starts from, or None for those of its seed."""
        return None if self.start is None else {name: value[lane] for name, value in self.start.items()}

    def hyper_of(self, lane):
        """The options of one lane."""
        options = {**self.hyper, **self.base}
        return {k: float(v[lane]) if isinstance(v, np.ndarray) else v for k, v in options.items()}
