"""`sweep` as the experiments call it: a piece of the run that is going on."""

from lrbook import pieces
from lrlib import Record, sweep as compute
from lrlib._base.digest import digest


def sweep(*arguments, **options):
    """The Record of `lrlib.sweep`, taken from the folder of the run where it is there already.

    A sweep that keeps snapshots is computed each time: its weights would fill the folder.
    """
    run = pieces.current()
    if run.folder is None or options.get("snapshots") is not None:
        record = compute(*arguments, **options)
    else:
        path = run.folder / f"sweep-{digest(arguments, options)}.npz"
        record = pieces.kept(path, lambda: compute(*arguments, **options), Record.save, Record.load)
    run.watch(record.loss)
    return record
