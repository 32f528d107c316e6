"""Does a rate above the convergence threshold pay off? Search it, fine-tune and average above it, compare, report."""

from . import output, source
from .values import add_lowest, add_training, rates, training, wholes

FIGURE = False  # the page has its own


def add(command):
    """Add the arguments of ``large-rate``."""
    add_training(command, seeds=5, record=False)
    add = command.add_argument
    add("--steps", type=int, help="updates before fine-tuning (default: the task's)")
    add(
        "--rates",
        type=rates,
        metavar="A,B,…",
        help="rates to train, as multiples of the threshold (0.25,0.5,0.9,1.3,1.7,2.2,3,4)",
    )
    add("--finetune-steps", type=int, metavar="STEPS", help="updates of fine-tuning (default: half of --steps)")
    add("--finetune-rates", type=rates, metavar="A,B,…", help="small rates (0.1, 0.3 and 1 times the threshold)")
    add("--averages", type=wholes, metavar="A,B,…", help="snapshots to average (2,5,10,20)")
    add("--converged", type=float, default=1e-2, metavar="LOSS", help="training loss that counts as converged (0.01)")
    add("--start", type=float, metavar="RATE", help="a rate that converges (default: what a range test suggests)")
    add("--by", choices=("metric", "loss"), default="metric", help="score of the comparison (metric)")
    add_lowest(command, "the metric")
    add("--folder", help="keep what is finished there; the same call goes on from it; the chosen weights go there")
    add("--html", metavar="FILE", help="write the report as a page that needs nothing else")
    add("--language", choices=("en", "ja"), default="en", help="of the table and the page (en)")


def run(options):
    """Carry out ``large-rate``."""
    output.checked(options)
    from ..choosing.recipe import large_rate

    task, progress = source.task(options.task), output.Progress(options.quiet)
    settings = training(options)
    with output.cluster(options.cluster):
        report = large_rate(
            task,
            options.rule,
            seeds=options.seeds,
            steps=options.steps,
            finetune_steps=options.finetune_steps,
            finetune_rates=options.finetune_rates,
            rates=options.rates,
            averages=options.averages,
            converged=options.converged,
            start=options.start,
            by=options.by,
            lowest=options.lowest,
            jobs=settings.pop("jobs", 1),
            folder=options.folder,
            progress=lambda text: progress(f"{task.name}: {text}", always=True),
            **settings,
        )
    progress.end()
    if options.html:
        report.to_html(options.html, language=options.language)
    output.say(options, report.table(options.language), report.to_dict())
    return 0 if report.recommended is not None else 1
