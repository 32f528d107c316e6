"""Find a learning rate: a range test over several seeds, and the rates that published rules read off it."""

import math

from .._base import arguments
from . import output, source
from .values import add_training, training


def add(command):
    """Add the arguments of ``find``."""
    add_training(command, seeds=8)
    add = command.add_argument
    add("--low", type=float, default=1e-7, help="first rate (1e-7)")
    add("--high", type=float, default=10.0, help="last rate (10)")
    add("--steps", type=int, default=100, help="steps of the test (100)")
    add("--stop", type=float, default=4.0, help="end where the smoothed loss exceeds this multiple of its best (4)")
    add(
        "--threshold",
        type=float,
        metavar="LOSS",
        help="search too for the largest rate at which most seeds reach this batch loss within the budget",
    )
    add("--budget", type=int, metavar="STEPS", help="steps of each training of the threshold (default: the task's)")
    add("--start", type=float, metavar="RATE", help="where that search begins (default: the rule steepest's)")


def run(options):
    """Carry out ``find``."""
    output.checked(options)
    _check(options)
    from ..choosing import finder

    task, progress = source.task(options.task), output.Progress(options.quiet)
    with output.cluster(options.cluster):
        progress(f"{task.name}: range test", always=True)
        found = finder.find(
            task,
            options.rule,
            options.seeds,
            options.low,
            high=options.high,
            steps=options.steps,
            stop=options.stop,
            **training(options),
        )
        threshold = None if options.threshold is None else _threshold(options, task, found, progress)
    progress.end()
    if options.record:
        found.record.save(options.record)
    if options.figure:
        output.save_figure(options.figure, found.plot())
    rules = {
        name: {"rate": rate, "interval": found.interval(name), "per_seed": found.per_seed(name)}
        for name, rate in found.suggestions().items()
    }
    output.say(
        options,
        _text(options, task, found, rules, threshold=threshold),
        {
            "task": task.name,
            "rule": options.rule,
            "seeds": found.seeds,
            "steps": options.steps,
            "low": options.low,
            "high": options.high,
            "stopped": [test.status for test in found.tests],
            "suggestions": rules,
            "reason": found.reason or None,
            "threshold": threshold,
            "record": options.record,
            "figure": options.figure,
        },
    )
    fine = any(math.isfinite(entry["rate"]) for entry in rules.values()) and "failed" not in (threshold or {})
    return 0 if fine else 1


def _check(options):
    """Raise for a search that could not begin, before the range test is made."""
    if options.threshold is not None:
        arguments.number("--threshold", options.threshold, least=-math.inf)
    if options.start is not None:
        arguments.number("--start", options.start, above=0)
    if options.budget is not None:
        arguments.whole("--budget", options.budget, most=arguments.MOST_STEPS)


def _threshold(options, task, found, progress):
    from ..choosing.finder import convergence_threshold
    from ..choosing.finder.threshold import reached

    start = found.suggest("steepest") if options.start is None else options.start
    steps = task.steps if options.budget is None else options.budget
    asked = {"loss": options.threshold, "steps": steps, "start": start}
    if not math.isfinite(start):
        return asked | {"failed": "the range test gives no rate to start from; name one with --start"}
    progress(f"{task.name}: convergence threshold, from {start:.3g}", always=True)
    try:
        edge = convergence_threshold(
            task,
            options.rule,
            reached(options.threshold, "loss"),
            start=start,
            seeds=options.seeds,
            steps=steps,
            **training(options),
        )
    except ValueError as error:  # the range test is worth showing all the same
        return asked | {"failed": f"{error} (--start, --budget)"}
    return asked | {
        "low": edge.low,
        "high": edge.high,
        "rate": edge.rate,
        "tried": edge.tried,
        "trainings": edge.trainings,
    }


def _text(options, task, found, rules, threshold):
    ends = ", ".join(
        f"{n} {status}"
        for status in ("diverged", "not finite", "finished")
        if (n := sum(test.status == status for test in found.tests))
    )
    rows = [("rule", "rate", "95 % interval", "seeds")]
    for name, entry in rules.items():
        low, high = entry["interval"]
        seen = sum(math.isfinite(rate) for rate in entry["per_seed"])
        between = "-" if math.isnan(low) else f"{low:.3g} to {high:.3g}"
        rows.append((name, output.number(entry["rate"]), between, str(seen)))
    lines = [
        f"{task.name}, {options.rule}: rates from {options.low:g} to {options.high:g} in {options.steps} steps, "
        f"{len(found.seeds)} seeds ({ends})",
        output.table(rows),
        *([f"no rule has a rate: {found.reason}"] if found.reason else []),
    ]
    if threshold:
        lines.append(
            f"convergence threshold (batch loss {threshold['loss']:g} within {threshold['steps']} steps): "
            f"{_bracket(threshold)}"
        )
    return "\n".join(lines)


def _bracket(threshold):
    if "failed" in threshold:
        return threshold["failed"]
    low, high, tries = threshold["low"], threshold["high"], f"{threshold['trainings']} trainings"
    return f"between {low:.4g} and {high:.4g}; {tries}" if math.isfinite(high) else f"above {low:.4g}; {tries}"
