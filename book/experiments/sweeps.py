"""`sweep` as the experiments call it: a piece of the run that is going on."""

from lrbook import pieces
from lrlib import Record, sweep as compute
from lrlib._base.digest import digest


def sweep(*arguments, **options):
    """The Record of `lrlib.sweep`, as a `piece`; its first losses are noted."""
    record = piece(compute, *arguments, **options)
    pieces.current().watch(record.loss)
    return record


def piece(train, *arguments, **options):
    """The Record of ``train(*arguments, **options)``, taken from the folder of the run where it is there already.

    One that keeps snapshots is computed each time: its weights would fill the folder.
    """
    run = pieces.current()
    if run.folder is None or options.get("snapshots") is not None:
        return train(*arguments, **options)
    named = f"{train.__module__}.{train.__qualname__}"  # its code is in the name of the folder
    path = run.folder / f"sweep-{digest(named, arguments, options)}.npz"
    return pieces.kept(path, lambda: train(*arguments, **options), Record.save, Record.load)
