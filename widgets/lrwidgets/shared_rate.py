"""SharedRate: one rate for several settings, and what it costs in each, on curves that the experiments measured.

The page computes the picture itself, so the figure lives without a kernel. The same formulas stand here; a test holds
the two sides equal.
"""

from __future__ import annotations

import functools
import json
import math
import pathlib

import traitlets as tl

from .base import STATIC, Figure
from .traits import Choice, Number

UNITS = {"points": (1, 0.01), "nats": (-1, 0.02)}  # sign (is more better?), and what counts as close to the best
METHODS = ("sgd", "momentum", "adagrad", "rmsprop", "adam")
TASKS = ("digits", "breast_cancer", "mnist1d")
REGULARISERS = ("none", "L1 1e-3", "L2 1e-2", "dropout 0.1", "dropout 0.5")

# group → experiment, unit, and for each setting the quantity with the place on its other axes
SOURCES = {
    "width": (
        "e30_width_depth",
        "points",
        {str(n): ("accuracy_by_width", {"width": n}) for n in (32, 64, 128, 256, 512)},
    ),
    "depth": ("e30_width_depth", "points", {str(n): ("accuracy_by_depth", {"depth": n}) for n in (1, 2, 4, 8)}),
    "regulariser": (
        "e14_regularisation",
        "points",
        {arm: ("accuracy_by_rate", {"arm": arm, "plan": "constant"}) for arm in REGULARISERS},
    ),
    "data": ("e20_tunability", "points", {t: (f"accuracy_{t}_sgd", {}) for t in TASKS}),
    "method": ("e20_tunability", "points", {m: (f"accuracy_digits_{m}", {}) for m in METHODS}),
    "language": ("e20_tunability", "nats", {m: (f"loss_language_{m}", {}) for m in METHODS}),
}


def gather(folder) -> dict:
    """Return the curves of every group that the results (JSON files) in ``folder`` have, as the page reads them."""
    groups = {}
    for name, (experiment, unit, settings) in SOURCES.items():
        path = pathlib.Path(folder) / f"{experiment}.json"
        if not path.exists():
            continue
        result = json.loads(path.read_text(encoding="utf-8"))
        if not all(quantity in result["quantities"] for quantity, _ in settings.values()):
            continue
        curves = {setting: curve(result["quantities"][quantity], at) for setting, (quantity, at) in settings.items()}
        rates = sorted({rate for lr, _ in curves.values() for rate in lr})
        rows = [{"name": setting, **_on(rates, lr, found)} for setting, (lr, found) in curves.items()]
        groups[name] = {
            "unit": unit,
            "id": result["id"].split("_")[0].upper(),
            "seeds": len(result["seeds"]),
            "rates": rates,
            "settings": rows,
        }
    return {"v": 1, "groups": groups}


def curve(quantity: dict, at: dict) -> tuple[list, dict]:
    """Return rates and ``{mean, low, high}`` of a quantity over its axis ``rate`` or ``lr``, at one place of its other axes.

    >>> curve({"axes": {"width": [1, 2], "lr": [0.1, 1.0]}, "mean": [[1, 2], [3, 4]], "low": [[0, 0]] * 2, "high": [[5, 5]] * 2}, {"width": 2})
    ([0.1, 1.0], {'mean': [3, 4], 'low': [0, 0], 'high': [5, 5]})
    """
    axes = quantity["axes"]
    (main,) = {"rate", "lr"} & set(axes)
    return axes[main], {part: _line(quantity[part], axes, main, at) for part in ("mean", "low", "high")}


def _line(table: list, axes: dict, main: str, at: dict) -> list:
    import numpy as np

    where = tuple(slice(None) if name == main else values.index(at[name]) for name, values in axes.items())
    return np.array(table, dtype=object)[where].tolist()


def _on(rates: list, lr: list, found: dict) -> dict:
    """The curve on the rates of the whole group; None where it was not measured."""
    known = {part: dict(zip(lr, line)) for part, line in found.items()}
    short = lambda v: None if v is None or not math.isfinite(v) else round(v, 4)
    return {part: [short(line.get(rate)) for rate in rates] for part, line in known.items()}


def common(group: dict) -> list[float]:
    """Return the rates that were measured in every setting."""
    return [r for i, r in enumerate(group["rates"]) if all(s["mean"][i] is not None for s in group["settings"])]


def costs(group: dict, rate: float) -> dict[str, float]:
    """Return what ``rate``, one of :func:`common`, costs each setting: the best mean of its curve minus the mean at the rate.

    >>> group = {"unit": "points", "rates": [0.1, 1.0], "settings": [{"name": "a", "mean": [0.5, 0.75]}]}
    >>> costs(group, 0.1)
    {'a': 0.25}
    """
    sign, i = UNITS[group["unit"]][0], group["rates"].index(rate)
    best = [max(sign * v for v in s["mean"] if v is not None) for s in group["settings"]]
    return {s["name"]: b - sign * s["mean"][i] for s, b in zip(group["settings"], best)}


def least(group: dict) -> float:
    """Return the rate whose greatest cost is least, of those measured in every setting."""
    return min(common(group), key=lambda rate: max(costs(group, rate).values()))


def reach(rates, values, near: float) -> tuple[float, float]:
    """Return the ends of the range around the best where a curve stays within ``near`` of it.

    Between two rates the curve counts as straight on a log axis; a curve that ends before it falls is cut there.

    >>> low, high = reach([0.01, 0.1, 1.0], [0.0, 1.0, 0.8], 0.1)
    >>> round(low, 4), round(high, 4)
    (0.0794, 0.3162)
    """
    best = max(range(len(rates)), key=lambda i: -math.inf if values[i] is None else values[i])
    return tuple(_end(rates, values, best, step, values[best] - near) for step in (-1, 1))


def _end(rates, values, i: int, step: int, floor: float) -> float:
    while 0 <= (j := i + step) < len(rates) and values[j] is not None:
        if values[j] < floor:
            share = (values[i] - floor) / (values[i] - values[j])
            return 10 ** (math.log10(rates[i]) + (math.log10(rates[j]) - math.log10(rates[i])) * share)
        i = j
    return rates[i]


@functools.cache
def _recorded() -> dict:
    text = (STATIC / "recorded" / "shared_rate.js").read_text(encoding="utf-8")
    return json.loads(text[text.index(",") + 1 : text.rindex(")")])


class SharedRate(Figure):
    """One learning rate for several settings at once: test accuracy against the rate in each, and what the shared rate costs.

    The page first asks which way the best range moves, then shows the curves, the range within one point of the best, and
    the points that the shared rate loses in each setting and in the worst. The curves are recorded means over seeds.

    Args:
        group: what varies: ``"width"`` or ``"depth"`` of the network, ``"regulariser"`` (these three on MNIST-1D by SGD),
            ``"data"`` (data set, by SGD), ``"method"`` (on handwritten digits) or ``"language"`` (method, on a language
            task: test loss in nats). Default ``"width"``.
        rate: the shared rate, 1e-9 to 1,000; the nearest one that was measured in every setting counts. Default 0.01.
        guess: what was guessed; ``"skip"`` shows the curves at once. Default ``""``: the page asks.
        revealed: show the rate whose greatest cost is least. Default False.
        lang: ``"en"`` or ``"ja"``.

    ``costs`` has what the rate costs each setting, ``ranges`` the range near the best, ``answer`` the rate that is revealed.

    Raises:
        ValueError: a value outside what is allowed; the old one stays.

    >>> shared = SharedRate(group="method", rate=0.01)
    >>> max(shared.costs, key=shared.costs.get)
    'sgd'
    """

    kind = tl.Unicode("shared_rate").tag(sync=True)
    group = Choice("width", lambda _figure: tuple(_recorded()["groups"]))
    rate = Number(0.01, 1e-9, 1e3)
    guess = tl.Unicode("").tag(sync=True)
    revealed = tl.Bool(False).tag(sync=True)
    curves = tl.Dict(help="the recorded curves").tag(sync=True)

    def __init__(self, **controls):
        super().__init__(**controls)
        self.curves = _recorded()

    @property
    def _shown(self) -> dict:
        return self.curves["groups"][self.group]

    @property
    def costs(self) -> dict[str, float]:
        """What the shared rate costs each setting, as a share of one (0.01 is a point) or in nats."""
        return costs(self._shown, min(common(self._shown), key=lambda r: abs(math.log(r / self.rate))))

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """The range of each setting within one point (0.02 nats) of its best."""
        sign, near = UNITS[self._shown["unit"]]
        score = lambda s: [None if v is None else sign * v for v in s["mean"]]
        return {s["name"]: reach(self._shown["rates"], score(s), near) for s in self._shown["settings"]}

    @property
    def answer(self) -> float:
        """The rate whose greatest cost is least."""
        return least(self._shown)
