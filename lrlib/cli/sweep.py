"""Train a grid of rates with several seeds, and say which rate is best and which are not told apart from it."""

import numpy as np

from . import output, source
from .values import a_plan, add_lowest, add_training, rates, training


def add(command):
    """Add the arguments of ``sweep``."""
    add_training(command, seeds=3)
    add = command.add_argument
    add("--lr", type=rates, required=True, metavar="LOW:HIGH:N|A,B,…", help="logarithmic grid, or rates")
    add("--plan", type=a_plan, help='factor of the rate, as "warmup(100) >> cosine(900)"')
    add("--steps", type=int, help="updates of a run (default: the task's)")
    add("--evaluate", type=int, metavar="N", help="evaluate every N updates (default: at the end)")
    add("--folder", help="keep each rate's runs there as they finish; the same call goes on from them")
    add(
        "--by",
        metavar="NAME",
        help="what the best rate is judged by (default valid_loss, or train_loss)",
    )
    add_lowest(command, "the metric of --by")


def run(options):
    """Carry out ``sweep``."""
    output.checked(options)
    from ..runs.sweeps import sweep
    from ..tasks.direction import best_low

    task, progress = source.task(options.task), output.Progress(options.quiet)
    settings = training(options) | ({"folder": options.folder} if options.folder else {})
    by = _by(options, task)
    lowest = best_low(by, options.lowest, task)
    with output.cluster(options.cluster):
        record = sweep(
            task,
            options.rule,
            options.lr,
            seeds=options.seeds,
            plan=options.plan,
            steps=options.steps,
            evaluate=options.evaluate,
            on_event=_watch(progress, settings, options.steps or task.steps),
            **settings,
        )
    progress.end()
    if options.record:
        record.save(options.record)
    names = [name for name in ("train_loss", "valid_loss", "valid_metric") if name in record.evaluations]
    names += [] if by in names else [by]
    best = chosen(record, by, lowest)
    if options.figure:
        from ..looking import plot

        output.save_figure(options.figure, plot.rate_curve(record, by))
    output.say(options, _text(options, record, names, by, best=best), _data(options, record, names, by, best=best))
    return 0 if best is not None else 1


def _by(options, task):
    """The evaluation that decides, checked before anything runs."""
    sets = [name for name in ("train", "valid", "test") if getattr(task, name) is not None]
    known = [f"{name}_{kind}" for name in sets for kind in ("loss", "metric")]
    by = options.by or ("valid_loss" if "valid" in sets else "train_loss")
    if by not in known:
        raise ValueError(f"--by {by}: {task.name} evaluates {', '.join(known)}")
    return by


def _watch(progress, settings, steps):
    """What the sweep calls as it goes: after each step, or after each part where there are parts."""
    if not progress.on:
        return None
    if "jobs" in settings or "folder" in settings:
        progress("runs are under way", always=True)
        return lambda event: progress(f"{event.done} of {event.of} runs", always=True)
    return lambda event: progress(
        f"step {event.step + 1} of {steps}, {int(event.diverged.sum())} of {len(event.diverged)} runs diverged"
    )


def chosen(record, by, lowest):
    """The best rate of a record, and those that are not told apart from it; None where no run reached its end.

    Rates at which the fewest seeds diverged are compared by their means over the seeds. Another rate counts as told
    apart if the 95 % t-interval of the difference over the same seeds leaves out zero; with one seed none is.

    >>> from lrlib.runs.record import example
    >>> chosen(example(), "train_loss", lowest=True)
    {'index': 0, 'lr': 0.1, 'same': [], 'edge': 'lower'}
    """
    from .._base.statistics import interval

    summary, grid = record.summary(by), record.grid(by)
    fit = np.isfinite(summary["mean"]) & (summary["n"] > 0)
    if not fit.any():
        return None
    fit &= summary["diverged"] == summary["diverged"][fit].min()
    score = np.where(fit, summary["mean"] if lowest else -summary["mean"], np.inf)
    k, same = int(score.argmin()), []
    for i in np.flatnonzero(fit):
        differences = grid[i] - grid[k]
        _, low, high, _ = interval(differences[np.isfinite(differences)])
        if i != k and not (low > 0 or high < 0):
            same.append(float(summary["lr"][i]))
    at = np.argsort(np.argsort(summary["lr"]))[k]
    ends = {0: "lower", len(score) - 1: "upper"} if len(score) > 1 else {}
    return {"index": k, "lr": float(summary["lr"][k]), "same": same, "edge": ends.get(int(at))}


def _text(options, record, names, by, best):
    columns = [record.summary(name) for name in names]
    heads = [f"{n} ({record.metric_name})" if n.endswith("metric") else n for n in names]
    rows = [("rate", *heads, "diverged", "")]
    for i, lr in enumerate(record.rates):
        values = (output.interval(*(c[key][i] for key in ("mean", "low", "high"))) for c in columns)
        lost = int(columns[0]["diverged"][i])
        mark = "<- best" if best and i == best["index"] else ""
        rows.append((f"{lr:.4g}", *values, f"{lost} of {len(record.seeds)}" if lost else "-", mark))
    taken = [record.path_reason.rpartition("; ")[2]] if options.folder else []  # how many parts came from there
    return "\n".join([f"{record!r}"[1:-1], *taken, output.table(rows), _verdict(record, by, best)])


def _verdict(record, by, best):
    if best is None and not np.isfinite(record.loss[:, 0]).any():
        return "no run reached its end: the loss is not finite before the first update; look at the data and the loss"
    if best is None:
        return "no run reached its end: try smaller rates"
    value = output.interval(*(record.summary(by)[key][best["index"]] for key in ("mean", "low", "high")))
    lines = [f"best by {by}: rate {best['lr']:.4g}, {value}"]
    if best["same"]:
        lines.append(f"not told apart from it: {', '.join(f'{lr:.4g}' for lr in best['same'])}")
    if "test_metric" in record.evaluations and not by.startswith("test"):
        test = record.summary("test_metric")
        value = output.interval(*(test[key][best["index"]] for key in ("mean", "low", "high")))
        lines.append(f"on the test set: {record.metric_name} {value}")
    if best["edge"]:
        lines.append(f"the best rate lies at the {best['edge']} end of the grid: extend it")
    return "\n".join(lines)


def _data(options, record, names, by, best):
    sums = {
        name: record.summary(name)
        for name in [*names, *(n for n in ("test_loss", "test_metric") if n in record.evaluations and n not in names)]
    }
    per_rate = [
        {
            "lr": lr,
            "diverged": int(sums[by]["diverged"][i]),
            **{name: {key: s[key][i] for key in ("mean", "low", "high", "n")} for name, s in sums.items()},
        }
        for i, lr in enumerate(record.rates.tolist())
    ]
    return {
        "task": record.task,
        "rule": record.optimizer,
        "plan": record.plan,
        "seeds": record.seeds,
        "by": by,
        "rates": per_rate,
        "best": best,
        "path": record.path,
        "path_reason": record.path_reason,
        "seconds": record.seconds,
        "record": options.record,
        "figure": options.figure,
    }
