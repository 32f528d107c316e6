"""Explain a plan in words, as a table and as a figure."""

import math

from .._base import arguments
from ..plans.checks import LONGEST
from . import output
from .values import a_plan, wholes


def add(command):
    """Add the arguments of ``plan``."""
    command.add_argument("plan", type=a_plan, metavar="PLAN", help='as "warmup(100) >> cosine(900)"')
    command.add_argument("--lr", type=float, help="base rate: show rates instead of factors")
    command.add_argument("--steps", type=int, help="length of the run; needed for a plan without an end")
    command.add_argument("--at", type=wholes, metavar="A,B,…", help="steps of the table (default: joints and tenths)")


def run(options):
    """Carry out ``plan``."""
    output.checked(options)
    plan, base = options.plan, 1.0 if options.lr is None else arguments.number("--lr", options.lr)
    if options.steps is not None:
        arguments.whole("--steps", options.steps, most=LONGEST)
    if plan.length == math.inf and options.steps is None and (options.at is None or options.figure):
        raise ValueError(f"{plan} has no end of its own: say with --steps how long the run is")
    shown = plan if options.steps is None else plan.cut(options.steps)
    step, value = shown.table(options.at, base=base)
    end = shown.length if shown.length < math.inf else None
    if options.figure:
        from ..looking import plot

        figure = plot.plan(plan, steps=end, base=base, ylabel=_unit(options, "learning rate"))
        output.save_figure(options.figure, figure)
    rows = [(str(t), output.number(v)) for t, v in zip(step.tolist(), value.tolist())]
    text = f"{plan!r}\n{plan.explain()}\n\n{output.table([('step', _unit(options, 'rate')), *rows])}"
    output.say(
        options,
        text,
        {
            "plan": repr(plan),
            "length": None if plan.length == math.inf else plan.length,
            "base": base,
            "phases": plan.explain().splitlines(),
            "step": step,
            "value": value,
            "area": None if end is None else _area(shown, base),
            "figure": options.figure,
        },
    )
    return 0


def _area(plan, base):
    """Σ of the rates, or None where too many steps would have to be added one by one."""
    try:
        return base * plan.area()
    except ValueError:
        return None


def _unit(options, rate):
    return "factor" if options.lr is None else rate
