"""lrlib: learning rates as plans, runs and records.

plan → run → record → view. A *plan* is a function of the step (`lrlib.schedules`), a *run* follows it (`lrlib.fit`,
`lrlib.sweep`), a *record* says what really happened (`lrlib.record`), a *view* draws it (`lrlib.plot`).

What a script needs most can be taken from here, and is loaded when it is first used. Where a function is called like
its module (``attach``, ``fit``, ``sweep``), ``lrlib.fit`` is the module: write ``from lrlib.fit import fit``.

>>> import lrlib
>>> lrlib.warmup(4)(0)
0.2
"""

import importlib

_HOME = {
    "schedules": [
        "Plan",
        "ramp",
        "hold",
        "fade",
        "constant",
        "step",
        "multi_step",
        "piecewise",
        "warmup",
        "linear",
        "polynomial",
        "exponential",
        "cosine",
        "cosine_restarts",
        "inverse_time",
        "inverse_sqrt",
        "one_cycle",
        "one_cycle_momentum",
        "triangular",
        "triangular2",
        "exp_range",
        "slanted_triangular",
        "wsd",
        "geometric_cooling",
        "logarithmic_cooling",
        "fast_cooling",
        "reheat",
    ],
    "attach": ["Attachment"],
    "plateau": ["Plateau"],
    "layerwise": ["ulmfit"],
    "rules": ["RULES", "Rule"],
    "optimizers": [
        "SGD",
        "Momentum",
        "Nesterov",
        "AdaGrad",
        "RMSProp",
        "Adam",
        "AMSGrad",
        "AdamW",
        "AdaBelief",
        "RAdam",
        "LARS",
        "HypergradientSGD",
        "HypergradientAdam",
        "AnnealedSGD",
    ],
    "tasks": ["Task"],
    "fit": ["Event", "steps"],
    "sweep": ["SweepEvent", "sweep_steps"],
    "record": ["Record", "record_model"],
    "evaluation": ["evaluate_weights"],
    "finder": ["RangeTest", "Finding", "range_test", "find", "reached", "convergence_threshold", "threshold_curve"],
    "landscape": [
        "loss_line",
        "loss_plane",
        "filter_normalised",
        "barrier",
        "angles",
        "update_ratios",
        "UpdateRatios",
        "rescaled",
    ],
    "activity": ["effective_rank"],
    "curvature": ["sharpness", "sharpness_lanes", "preconditioner", "trace", "largest_stable_rate"],
    "augmentation": ["Signals", "Images"],
    "initialization": ["initialize", "xavier", "he", "orthogonal", "mutual_information", "relevance"],
    "averaging": ["Average", "EMA", "SWA", "LAWA", "update_batch_norm"],
    "regimes": ["borders", "Borders", "run_losses"],
    "recipe": ["large_rate", "Report", "Candidate", "Difference"],
    "bounds": ["LastIterateBound", "last_iterate_bound"],
    "stopping": ["EarlyStopping", "Worsening", "Stalling"],
    "plot": [],
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [*_HOME, *_MODULE_OF]


def __getattr__(name):
    if name in _HOME:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _MODULE_OF:
        value = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
