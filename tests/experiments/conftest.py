"""The scripts of the experiments, importable as they are when they are run."""

import sys
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).parents[2] / "book" / "experiments"


@pytest.fixture(scope="module", autouse=True)
def folder():
    """The scripts import their neighbours, as they do when they are run, and take one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    sys.path.insert(0, str(FOLDER))
    yield
    sys.path.remove(str(FOLDER))
    torch.set_num_threads(threads)
