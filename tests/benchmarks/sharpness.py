"""Hessian-vector products and seconds that a sharpness to 1 % costs: ``python tests/benchmarks/sharpness.py``.

Nets of 102,250 parameters on the digits data, full batch. *At the start*: several initialisations, searched from one
random vector. *Along training*: one net at several points of its training; warm searches start from what the same
method found at the point before. All methods multiply by the same Hessian, except that curvlinops brings its own.
"Until within 1 %" counts until the estimate comes to stay within 1 % of the eigenvalue, which a method cannot know;
"until residual 1 %" until ‖Hv − λv‖ ≤ 0.01·λ; "own stop" is where the method ends by itself, with its error there.
Products are sums over a scenario; those on a subset of the data count by its share. ``--points N``: initialisations
and points of training.
"""

import time
import warnings

import curvlinops
import numpy as np
import torch
from report import arguments, report
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh
from torch import nn

from lrlib import streams, tasks
from lrlib.looking.curvature.lanczos import _Basis, largest
from lrlib.looking.curvature.largest import FRESH, ROUGH
from lrlib.looking.curvature.products import of_model

ACCURACY, MOST, PART = 0.01, 300, 16


def squares(output, y):
    """Half the mean squared distance from the class's unit vector."""
    return (output - nn.functional.one_hot(y, 10)).square().sum(1).mean() / 2


def net(activation):
    """64-284-284-10."""
    return nn.Sequential(nn.Linear(64, 284), activation(), nn.Linear(284, 284), activation(), nn.Linear(284, 10))


def at_the_start(points):
    """Freshly initialised nets, two losses and two activations in turn."""
    task = tasks.digits()
    for seed in range(points):
        task.model = lambda: net((nn.ReLU, nn.Tanh)[seed % 2])
        yield streams.initial_model(task, seed), (squares, nn.functional.cross_entropy)[seed // 2 % 2]


def along_training(points, every=25):
    """A tanh net that gradient descent on the squares takes to the edge of stability, every few steps."""
    task = tasks.digits()
    task.model = lambda: net(nn.Tanh)
    model = streams.initial_model(task, 0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    x, y = task.train
    for _ in range(points):
        yield model, squares
        for _ in range(every):
            optimizer.zero_grad()
            squares(model(x), y).backward()
            optimizer.step()


class Timed:
    """Products with a Hessian, counted and timed with all that happens between them."""

    def __init__(self, hessian):
        self.hessian, self.count, self.began = hessian, 0, time.perf_counter()

    def __call__(self, v):
        self.count += 1
        return self.hessian(v)

    def done(self):
        """Products and seconds until now."""
        return self.count, time.perf_counter() - self.began


def power(hessian, start):
    """Rows (value, residual) of power iteration; its own stop: the value changes by at most a thousandth."""
    v, rows, stop = start / start.norm(), [], None
    timed = Timed(hessian)
    while len(rows) < MOST and (stop is None or rows[-1][1] > ACCURACY * abs(rows[-1][0])):
        w = timed(v)
        value = float((v * w).sum())
        rows.append((value, float((w - value * v).norm())))
        v = w / w.norm()
        if stop is None and len(rows) > 1 and abs(value - rows[-2][0]) <= 1e-3 * abs(value):
            stop = (*timed.done(), value)
    return rows, stop or (*timed.done(), rows[-1][0]), v


def lanczos(hessian, start, rough=None):
    """Rows (value, residual) of our search; its own stop at accuracy 0.01; where the next search starts.

    With `rough`, the Hessian of a part of the data, the search starts from what a rough search there finds.
    """
    extra, timed = 0.0, Timed(hessian)
    if rough is not None:
        found = largest(rough, start, MOST, 0.0, ROUGH)
        extra, start = float(found.products) / PART, found.start + FRESH * start / start.norm()
    found = largest(timed, start, MOST, 0.0, ACCURACY)
    products, seconds = timed.done()
    stop = (products + extra, seconds, float(found.value))
    state, rows = _Basis(start, 60), []
    while len(rows) < 59 and (len(rows) <= stop[0] or rows[-1][1] > ACCURACY * rows[-1][0]):
        state.add(hessian(state.last))
        rows.append(tuple(map(float, state.top()[:2])))
        state.grow()
    return [rows[0]] * round(extra) + rows, stop, found.start


def arpack(operator, start):
    """The own stop of scipy's `eigsh` at tolerance 0.01."""
    timed = Timed(lambda v: operator(torch.from_numpy(np.ascontiguousarray(v.ravel()))[None].float())[0].numpy())
    n = start.shape[1]
    try:
        (value,) = eigsh(
            LinearOperator((n, n), timed, dtype=np.float32),
            k=1,
            which="LA",
            v0=start[0].numpy(),
            tol=ACCURACY,
            return_eigenvectors=False,
        )
    except ArpackNoConvergence:
        value = np.nan
    return [], (*timed.done(), float(value)), None


def peer_operator(model, loss, x, y):
    """curvlinops' Hessian as a function of a flat vector."""

    class Mean(nn.Module):
        reduction = "mean"

        def forward(self, output, target):
            return loss(output, target)

    own = list(model.parameters())
    linear = curvlinops.HessianLinearOperator(model, Mean(), own, [(x, y)], check_deterministic=False)
    return lambda v: (linear @ v[0])[None].detach()


METHODS = (
    "power iteration",
    "power iteration, warm",
    "Lanczos",
    "Lanczos, subset first",
    "Lanczos, warm",
    "scipy eigsh",
    "curvlinops + eigsh",
)


def searches(hessian, rough, peer, random, memory):
    """{method: (rows, stop, what a warm search starts from)} at one point."""
    fresh = FRESH * random / random.norm()
    warm = {
        name: random if kept is None else kept + (fresh if name == "Lanczos, warm" else 0)
        for name, kept in memory.items()
    }
    return {
        "power iteration": power(hessian, random),
        "Lanczos": lanczos(hessian, random),
        "power iteration, warm": power(hessian, warm["power iteration, warm"]),
        "Lanczos, subset first": lanczos(hessian, random, rough),
        "Lanczos, warm": lanczos(hessian, warm["Lanczos, warm"]),
        "scipy eigsh": arpack(hessian, random),
        "curvlinops + eigsh": arpack(peer, random),
    }


def settled(rows, truth):
    """Products until the value stays within 1 % of the truth, and until the residual is 1 % of it."""
    if not rows:
        return np.nan, np.nan
    outside = [i for i, (value, _) in enumerate(rows, 1) if abs(value - truth) > ACCURACY * abs(truth)]
    small = [i for i, (value, residual) in enumerate(rows, 1) if residual <= ACCURACY * abs(value)]
    return max(outside, default=0) + 1, small[0] if small else len(rows) + 1


def scenario(points):
    """Sums over the points: {method: [within 1 %, residual 1 %, own stop, seconds, largest error]}."""
    x, y = tasks.digits().train
    totals = {name: np.zeros(5) for name in METHODS}
    memory = {name: None for name in METHODS if name.endswith("warm")}
    for model, loss in points:
        hessian = of_model(model, loss, x, y)
        rough = of_model(model, loss, x[::PART], y[::PART])
        random = torch.randn(1, hessian.size, generator=torch.Generator().manual_seed(0))
        truth = float(largest(hessian, random, MOST, 1e-5).value)
        for name, (rows, (count, seconds, value), kept) in searches(
            hessian, rough, peer_operator(model, loss, x, y), random, memory
        ).items():
            totals[name][:4] += (*settled(rows, truth), count, seconds)
            totals[name][4] = np.fmax(totals[name][4], abs(value / truth - 1))
            if name in memory:
                memory[name] = kept
    return totals


def lines(title, totals, warm):
    """Rows of the table."""
    base = totals["power iteration"], totals["power iteration, warm"]
    for name in METHODS:
        if warm or "warm" not in name:
            within, residual, own, seconds, error = totals[name]
            ratios = base["warm" in name][:3] / totals[name][:3]
            cells = [f"{v:.0f} ({r:.1f}×)" if np.isfinite(v) else "–" for v, r in zip((within, residual, own), ratios)]
            yield [title, name, *cells, f"{100 * error:.1f} %", f"{seconds:.2f}"]


def main():
    """Print the table."""
    options = arguments(__doc__.splitlines()[0], threads=2, points=6)
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    rows = [
        *lines("at the start", scenario(at_the_start(options.points)), warm=False),
        *lines("along training", scenario(along_training(options.points)), warm=True),
    ]
    columns = [
        "where",
        "method",
        "products until within 1 %",
        "until residual 1 %",
        "until own stop",
        "largest error there",
        "seconds until own stop",
    ]
    note = (
        f"102,250 parameters, float32, {options.threads} threads; sums over {options.points} points; in brackets how "
        "many times fewer than power iteration from the same start."
    )
    report("sharpness", columns, rows, options.json, note)


if __name__ == "__main__":
    main()
