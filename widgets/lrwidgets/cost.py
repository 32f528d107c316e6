"""CostLedger: what a search for a better rate costs, and what it brings. Plain arithmetic, every number editable.

The page computes the picture itself, so the figure lives without a kernel. The same formulas stand here; a test holds
the two sides equal.
"""

from __future__ import annotations

import math

import traitlets as tl

from .base import Figure
from .traits import Number

NUMBERS = (
    "trainings",
    "training_cost",
    "gain",
    "gain_low",
    "gain_high",
    "point_value",
    "inference_cost",
    "inference_change",
    "months",
)


def ledger(
    trainings: float,
    training_cost: float,
    gain: float,
    gain_low: float,
    gain_high: float,
    point_value: float,
    inference_cost: float,
    inference_change: float,
    months: float,
) -> dict[str, float]:
    """Return the entries of the ledger over all months, money that comes in counted as positive.

    ``training`` = −trainings · training_cost; ``inference`` = −months · inference_cost · inference_change / 100;
    ``accuracy`` = months · gain · point_value; ``net`` is their sum, ``net_low`` and ``net_high`` at the ends of the
    gain's interval; ``months_needed`` until the training is paid back (inf: never), ``gain_needed`` for a net of 0.

    >>> books = ledger(10, 50, 1.0, 0.5, 1.5, 100, 0, 0, 12)
    >>> books["training"], books["accuracy"], books["net"], books["months_needed"], round(books["gain_needed"], 3)
    (-500, 1200.0, 700.0, 5.0, 0.417)
    """
    training, inference = -trainings * training_cost, -months * inference_cost * inference_change / 100
    accuracy = [months * g * point_value for g in (gain, gain_low, gain_high)]
    net, low, high = (training + inference + a for a in accuracy)
    monthly = gain * point_value - inference_cost * inference_change / 100
    needed = -(training + inference) / (months * point_value) if months * point_value else math.inf
    return {
        "training": training,
        "inference": inference,
        "accuracy": accuracy[0],
        "net": net,
        "net_low": low,
        "net_high": high,
        "months_needed": -training / monthly if monthly > 0 else 0.0 if training == 0 else math.inf,
        "gain_needed": needed,
    }


class CostLedger(Figure):
    """What a search for a better rate costs and brings: extra trainings, inference, the value of accuracy.

    Args:
        trainings: trainings beyond the one that is made anyway, 0 to 100,000; default 8.
        training_cost: money for one training, 0 to 1e12; default 100.
        gain, gain_low, gain_high: accuracy that the search brings and the ends of its interval, percentage points,
            −100 to 100; default 1, 0.5 and 1.5.
        point_value: money that one percentage point is worth a month, 0 to 1e12; default 200.
        inference_cost: money for inference a month, 0 to 1e12; default 1,000.
        inference_change: by how many percent the new model's inference costs more, −100 to 1,000; default 0.
        months: how long the model is in use, 0 to 1,200; default 12.
        measured: names of those numbers above that were measured, so that the page can say so.
        lang: ``"en"`` or ``"ja"``.

    ``books`` has the entries, as ``ledger`` gives them.

    Raises:
        ValueError: a value outside what is allowed; the old one stays.

    >>> CostLedger(trainings=20, gain=0.0).books["net"]
    -2000.0
    """

    kind = tl.Unicode("cost_ledger").tag(sync=True)
    trainings = Number(8.0, 0.0, 1e5)
    training_cost = Number(100.0, 0.0, 1e12)
    gain = Number(1.0, -100.0, 100.0)
    gain_low = Number(0.5, -100.0, 100.0)
    gain_high = Number(1.5, -100.0, 100.0)
    point_value = Number(200.0, 0.0, 1e12)
    inference_cost = Number(1000.0, 0.0, 1e12)
    inference_change = Number(0.0, -100.0, 1000.0)
    months = Number(12.0, 0.0, 1200.0)
    measured = tl.Dict().tag(sync=True)

    def __init__(self, measured=(), **controls):
        unknown = sorted(set(measured) - set(NUMBERS))
        if unknown:
            raise ValueError(f"measured = {tuple(measured)!r}: {unknown[0]!r} is none of {', '.join(NUMBERS)}")
        super().__init__(**controls)
        self.measured = {name: getattr(self, name) for name in measured}

    @property
    def books(self) -> dict[str, float]:
        """The entries for the controls as they are now."""
        return ledger(*(getattr(self, name) for name in NUMBERS))
