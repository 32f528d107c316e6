"""Timing in processes: what one of them finds in common, as the places of its memory, is no chance between its passes."""

import contextlib
import multiprocessing
from concurrent.futures import ProcessPoolExecutor


@contextlib.contextmanager
def measuring(apart):
    """A function that calls another one in a process beside this one and returns what that gives.

    apart: each call has a new process; else all have the same.

    >>> with measuring(apart=False) as beside:
    ...     beside(len, [1, 2, 3])
    3
    """
    kept, start = (1 if apart else None), multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, start, max_tasks_per_child=kept) as pool:
        yield lambda function, *arguments: pool.submit(function, *arguments).result()
