"""What the recipe trains: the threshold, constant and decayed rates, fine-tuning; and the averages of snapshots."""

import dataclasses
import time

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from ...methods.averaging import update_batch_norm
from ...runs.evaluation import evaluate_model, record_model
from ..finder import find, reached
from ..finder.threshold import Trials, search_threshold
from ...plans import cosine
from ..._base.device import placed
from ..._base.start import project_, weights_of
from ...runs.sweeps import carry_out
from .asked import FINETUNE

GUESSES = (1, 3, 1 / 3, 10, 1 / 10, 30, 1 / 30, 1 / 100)  # rates around the range test's, until one converges
LIMIT = 1e4
EVALUATIONS = 10


class Stages:
    """The trainings of one call, each made when it is asked for, and what they cost."""

    def __init__(self, asked, progress):
        self.asked, self.progress, self.ledger = asked, progress, []

    def _paid(self, stage, trainings, steps, began):
        self.ledger.append(
            {
                "stage": stage,
                "trainings": int(trainings),
                "steps": int(trainings * steps),
                "seconds": time.perf_counter() - began,
            }
        )

    def _sweep(self, stage, lr, steps, **more):
        asked, began = self.asked, time.perf_counter()
        runs = len(lr) * len(asked.seeds)
        self.progress(f"{stage}: {runs} runs of {steps} steps")
        record = carry_out(asked.described(lr, steps, **more), **asked.where)
        self._paid(stage, runs, steps, began)
        return record

    def threshold(self):
        """→ (`Threshold` or None, records of the rates tried by rate)."""
        asked = self.asked
        base, began = self._guess(), time.perf_counter()
        every = max(1, asked.steps // EVALUATIONS)
        trials = _Watched(
            self.progress,
            asked.task,
            asked.rule,
            reached(asked.converged, "train_loss"),
            budgets=[asked.steps],
            seeds=asked.seeds,
            evaluate=every,
            **asked.settings,
            **asked.where,
        )
        first = next((base * g for g in GUESSES if trials.share(base * g, asked.steps) > 0.5), None)
        found = (
            None
            if first is None
            else search_threshold(trials, asked.steps, first, precision=asked.precision, limit=first * LIMIT)
        )
        self._paid("threshold", len(trials.records) * len(asked.seeds), asked.steps, began)
        return found, trials.records

    def _guess(self):
        """A rate to begin with: the one given, the range test's, or the rule's own."""
        asked = self.asked
        if asked.start is not None:
            return asked.start
        self.progress("range test")
        seeds, began = asked.seeds[:3], time.perf_counter()
        settings = {name: value for name, value in asked.settings.items() if name != "diverged_at"}
        settings |= {name: value for name, value in asked.where.items() if name != "folder"}
        found = find(asked.task, asked.rule, seeds, **settings).suggest("minimum/10")
        self._paid("range_test", len(seeds), 100, began)
        return found if np.isfinite(found) else float(asked.rule.defaults["lr"])

    def constant(self, lr):
        """Every rate held for all steps, with the snapshots that fine-tuning and averaging need."""
        asked = self.asked
        every = max(1, asked.steps // EVALUATIONS)
        when = sorted({0, *range(every, asked.total, every), asked.steps, asked.total})
        snapshots = sorted({asked.steps, *asked.snapshots(max(asked.averages))})
        return self._sweep("constant", lr, asked.total, evaluate=when, snapshots=snapshots)

    def decayed(self, lr):
        """Every rate, falling to 0 along half a cosine."""
        return self._sweep("decay", lr, self.asked.total, plan=cosine(self.asked.total))

    def finetuned(self, record, rows, rates):
        """Fine-tune the runs of the rates ``rows`` at every small rate: lanes [row, rate, seed] as one record."""
        asked, seeds = self.asked, len(self.asked.seeds)
        kept, start = record.snapshots[asked.steps], {}
        for name, values in {**kept["buffers"], **kept["parameters"]}.items():
            grid = values.reshape(-1, seeds, *values.shape[1:])[rows]
            start[name] = np.repeat(grid[:, None], len(rates), axis=1).reshape(-1, *values.shape[1:])
        return self._sweep("finetune", list(rates) * len(rows), asked.finetune_steps, start=start)

    def averaged(self, record, rows):
        """Means of the last K snapshots of the rates ``rows``, for each K: (K, weights, {set: [rows, seeds]})."""
        asked, began = self.asked, time.perf_counter()
        seeds = len(asked.seeds)
        lanes = np.concatenate([np.arange(seeds) + row * seeds for row in rows]) if len(rows) else np.arange(0)
        for k in asked.averages:
            self.progress(f"averages of {k} snapshots")
            weights = _taken(record.average(asked.snapshots(k)), lanes)
            yield k, *self._scored(weights, len(rows))
        self._paid("average", 0, 0, began)

    def _scored(self, weights, rows):
        """Evaluate lane by lane, projected where the task projects; batch norm is measured first."""
        scores = {"valid": [], "test": []}
        if len(weights.seed):
            weights = dataclasses.replace(weights, **weights_of(self._measured(weights, scores)))
        return weights, {part: np.array(values).reshape(rows, len(self.asked.seeds)) for part, values in scores.items()}

    def _measured(self, weights, scores):
        """The networks of the lanes, one by one, after their values have been put into ``scores``."""
        asked, device = self.asked, self.asked.settings["device"]
        sets = {part: placed(getattr(asked.task, part), device, getattr(torch, weights.dtype)) for part in scores}
        for lane in range(len(weights.seed)):
            model = record_model(asked.task, weights, lane, device)
            project_(asked.task, model)
            if any(isinstance(module, _BatchNorm) for module in model.modules()):
                update_batch_norm(model, _batches(asked.task, int(weights.seed[lane]), weights.dtype, device))
            values = evaluate_model(asked.task, model, sets)
            for part in scores:
                scores[part].append(values[f"{part}_{asked.by}"])
            yield model

    def small_rates(self, threshold):
        """The fine-tuning rates."""
        asked = self.asked.finetune_rates
        return [share * threshold.low for share in FINETUNE] if asked is None else asked


class _Watched(Trials):
    """Trials that say which rate they are at."""

    def __init__(self, progress, *arguments, **settings):
        super().__init__(*arguments, **settings)
        self.progress = progress

    def share(self, rate, budget):
        if rate not in self.records:
            self.progress(f"threshold: rate {rate:.4g}, {len(self.seeds)} runs of {budget} steps")
        return super().share(rate, budget)


def _taken(record, lanes):
    """Some lanes of a record of weights."""
    groups = {group: {n: v[lanes] for n, v in getattr(record, group).items()} for group in ("parameters", "buffers")}
    return dataclasses.replace(
        record,
        lr0=record.lr0[lanes],
        seed=record.seed[lanes],
        status=record.status[lanes],
        loss=record.loss[lanes],
        lr=record.lr[lanes],
        **groups,
    )


def _batches(task, seed, dtype, device):
    x, _ = placed(task.train_for(seed), device, getattr(torch, dtype))
    return x.chunk(-(-len(x) // 256))  # of about equal size, since every batch counts alike
