"""The examples in the docstrings of the book machine."""

import doctest
import importlib

import pytest

MODULES = (
    "nbtext",
    "nbnormal",
    "notebooks",
    "edit",
    "parity",
    "prose",
    "lint",
    "translated",
    "search_ja",
    "sphinx_facts",
    "api",
    "methods",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert not doctest.testmod(importlib.import_module(f"lrbook.{name}")).failed
