"""What the experiments on networks share: rates in quarter decades, and a sweep whose best rate is interior."""

from dataclasses import dataclass

import numpy as np
from sweeps import sweep

from lrlib.tasks import Task, mnist1d

QUARTER = 0.25
LONG = 30.0  # rough seconds of eager steps that are worth a compilation
OPERATION, FLOPS = 8e-6, 2e9  # rough costs of a step; results hang on the path that they lead to, so they stay


def grid(low, high):
    """Rates 10^low … 10^high in steps of a quarter decade.

    >>> grid(-1, 0).round(3).tolist()
    [0.1, 0.178, 0.316, 0.562, 1.0]
    """
    return 10 ** (low + QUARTER * np.arange(round((high - low) / QUARTER) + 1))


@dataclass
class Curve:
    """A sweep as arrays: `lr` [rate], `step` [evaluation], `metrics[name]` [rate, seed, evaluation]."""

    lr: np.ndarray
    step: np.ndarray
    metrics: dict
    diverged: np.ndarray

    def final(self, name, failed=np.nan):
        """Last value, [rate, seed]; `failed` where the run diverged."""
        return np.where(np.isnan(self.metrics[name][..., -1]) | self.diverged, failed, self.metrics[name][..., -1])

    def best(self, name="valid_metric", failed=0.0):
        """Index of the rate with the highest mean of a last value (the lowest for a loss)."""
        if name.endswith("loss"):
            return int(self.final(name, failed=np.inf).mean(axis=1).argmin())
        return int(self.final(name, failed).mean(axis=1).argmax())

    def mixed(self, choose, judge):
        """The curve with validation scores of the seeds that choose and test scores of those that judge; nan where one diverged."""
        parts = {"valid": choose, "test": judge}
        shown = {
            name: np.where(self.diverged[..., None], np.nan, values)[:, parts[name.split("_")[0]]]
            for name, values in self.metrics.items()
            if name.split("_")[0] in parts
        }
        return Curve(self.lr, self.step, shown, np.zeros((len(self.lr), 1), dtype=bool))

    def index(self, rate):
        """Where a rate stands in the grid."""
        return int(np.abs(np.log(self.lr / rate)).argmin())


def narrow_mnist1d(train, held):
    """MNIST-1D for two hidden layers of 32, as wide as those of the digits; batches of 50."""
    return mnist1d(train=train, valid=min(2000, held), test=held, width=32, batch=50)


def path_of(task, lr, seeds, steps):
    """How a sweep of that size is computed: by a rough count of its work, never by a timing.

    Chaotic runs differ in their last digits from path to path, so a result must not hang on which was quicker.
    """
    parameters, lanes = list(task.model().parameters()), len(lr) * (seeds if isinstance(seeds, int) else len(seeds))
    examples = task.batch or len(task.train_for(0)[0])
    arithmetic = 6.0 * lanes * sum(p.numel() for p in parameters) * (examples + 3) / FLOPS
    return "compiled" if steps * (OPERATION * (40 + 25 * len(parameters)) + arithmetic) > LONG else "eager"


def curve(task, rule, lr, seeds, plan=None, steps=None, evaluate=None, **options):
    """Train every rate × seed and return the `Curve`.

    task: or a function of the seed, where each has a task of its own, with validation and test data of its own.
    """
    lr = np.asarray(lr, dtype=float)
    if not isinstance(task, Task):
        own = dict(plan=plan, steps=steps, evaluate=evaluate, **options)
        return beside(
            [curve(task(s), rule, lr, [s], **own) for s in (range(seeds) if isinstance(seeds, int) else seeds)]
        )
    options.setdefault("path", path_of(task, lr, seeds, steps or task.steps))
    record = sweep(task, rule, lr=lr, seeds=seeds, plan=plan, steps=steps, evaluate=evaluate, **options)
    shape = (len(lr), len(record.lr0) // len(lr), -1)
    found = {name: np.asarray(v).reshape(shape) for name, v in record.evaluations.items() if name != "step"}
    status = np.asarray(record.status).reshape(shape[:2])
    return Curve(lr, np.asarray(record.evaluations["step"]), found, status == "diverged")


def cut_anew(make, **options):
    """The task of each seed, ``make(split=seed, **options)``: each cuts the examples into three sets of its own."""
    return lambda seed: make(split=seed, **options)


def each(task, change):
    """``change(task)``; of a function of the seed the function that gives such tasks."""
    return change(task) if isinstance(task, Task) else lambda seed: change(task(seed))


def beside(curves):
    """Curves of the same rates and different seeds as one."""
    first = curves[0]
    metrics = {name: np.concatenate([one.metrics[name] for one in curves], axis=1) for name in first.metrics}
    return Curve(first.lr, first.step, metrics, np.concatenate([one.diverged for one in curves], axis=1))


def join(one, two):
    """Two curves of the same seeds as one, rates in order."""
    order = np.argsort(np.concatenate([one.lr, two.lr]))

    def both(a, b):
        return np.concatenate([a, b])[order]

    metrics = {name: both(values, two.metrics[name]) for name, values in one.metrics.items()}
    return Curve(both(one.lr, two.lr), one.step, metrics, both(one.diverged, two.diverged))


def tuned(task, rule, lr, seeds, below=1, above=1, name="valid_metric", **options):
    """Sweep, and widen the grid until `below` rates lie under the best one and `above` over it."""
    found = curve(task, rule, lr, seeds, **options)
    for _ in range(6):
        best = found.best(name)
        down, up = max(0, below - best), max(0, above - (len(found.lr) - 1 - best))
        if not down and not up:
            break
        exponents = np.log10(found.lr)
        more = [exponents[0] - QUARTER * (i + 1) for i in range(down)] + [
            exponents[-1] + QUARTER * (i + 1) for i in range(up)
        ]
        found = join(found, curve(task, rule, 10 ** np.array(sorted(more)), seeds, **options))
    return found


def marks(steps, count=20):
    """About `count` steps to evaluate at, 0 and the last among them, denser at the beginning.

    >>> marks(1000, 5)
    [0, 40, 160, 360, 640, 1000]
    """
    return sorted({round(steps * (i / count) ** 2) for i in range(count + 1)})


@dataclass
class Arm:
    """A way to train: its rule, its plan (a function of the number of steps), and where its grid begins."""

    rule: str
    plan: object
    low: float
    high: float


def bakeoff(task, arms, pilot, seeds, steps, evaluate):
    """Tune every arm on the pilot's seeds, then train it at that rate on fresh seeds.

    Returns `{name: (pilot curve, index of the chosen rate, curve of the fresh seeds)}`;
    choosing and judging share no seed.
    """
    results = {}
    for name, arm in arms.items():
        plan = arm.plan(steps) if arm.plan else None
        found = tuned(task, arm.rule, grid(arm.low, arm.high), range(pilot), plan=plan, steps=steps, evaluate=[steps])
        best = found.best()
        fresh = curve(
            task, arm.rule, found.lr[[best]], range(pilot, pilot + seeds), plan=plan, steps=steps, evaluate=evaluate
        )
        results[name] = found, best, fresh
    return results
