"""The index of lrlib: every name that it lists exists, and importing it loads nothing heavy."""

import subprocess
import sys

import pytest

import lrlib


@pytest.mark.parametrize("name", lrlib.__all__)
def test_every_listed_name_exists(name):
    assert getattr(lrlib, name) is not None and name in dir(lrlib)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'lrlib' has no attribute 'warmpu'"):
        lrlib.warmpu  # noqa: B018


def test_names_are_loaded_when_they_are_used():
    code = "import sys, lrlib; assert 'torch' not in sys.modules; lrlib.warmup; assert 'torch' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
