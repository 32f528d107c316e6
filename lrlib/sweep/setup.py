"""The arguments of a sweep, checked, before anything runs."""

import numpy as np
import torch

from .. import device as devices
from .. import rules
from ..arguments import check_diverged_at, factors_of, seed_list, steps_of
from ..evaluation import evaluation_steps
from .choose import PATHS
from .lanes import Lanes


class Setup:
    """Checked arguments of one sweep; lanes are ordered rate first, ``lane = rate · seeds + seed``."""

    def __init__(self, task, rule, lr, seeds, plan, steps, device, dtype, evaluate, path, diverged_at, hyper):
        self.task, self.rule, self.plan = task, rules.get(rule), plan
        if path not in PATHS:
            raise ValueError(f"path must be one of {', '.join(map(repr, PATHS))}; got {path!r}")
        rates = np.atleast_1d(np.asarray(self.rule.defaults["lr"] if lr is None else lr, dtype=float))
        if rates.ndim != 1 or not len(rates):
            raise ValueError(f"lr must be a number or a list of numbers; got an array of shape {rates.shape}")
        self.seeds = seed_list(seeds)
        self.rule.check(lr=rates, **hyper)
        self.lr0, self.seed = np.repeat(rates, len(self.seeds)), np.tile(np.array(self.seeds), len(rates))
        self.hyper = {k: self._spread(k, v, len(rates)) for k, v in hyper.items()}
        self.steps = steps_of(task, steps)
        self.factors = factors_of(plan, self.steps)
        self.device, self.dtype = devices.choose(device, dtype), dtype
        check_diverged_at(diverged_at)
        self.diverged_at, self.path, self.evaluate = diverged_at, path, evaluate
        evaluation_steps(evaluate, self.steps)

    def _spread(self, name, value, rates):
        """A number stays; an array [rates] becomes one value a lane."""
        if isinstance(value, torch.Tensor):
            value = value.detach().cpu().numpy()
        if np.ndim(value) == 0:
            return float(value)
        if np.shape(value) != (rates,):
            raise ValueError(f"{name} must be a number or have one value for each of the {rates} rates; "
                             f"got shape {np.shape(value)}")
        return np.repeat(np.asarray(value, dtype=float), len(self.seeds))

    def lanes(self):
        """The stacked runs."""
        return Lanes(self.task, self.rule, self.lr0, self.seed, self.factors, self.hyper, self.device, self.dtype,
                     self.diverged_at)

    def hyper_of(self, lane):
        """The options of one lane."""
        return {k: v if np.ndim(v) == 0 else float(v[lane]) for k, v in self.hyper.items()}
