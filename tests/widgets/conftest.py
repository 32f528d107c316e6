"""A recording comm in place of a kernel's, and the page's half of the protocol."""

import os
import random
import shutil
import time

import comm
import comm.base_comm
import ipywidgets.widgets.widget as widget_module
import pytest

import lrwidgets
from lrwidgets.base import stop_all
from lrwidgets.job import job_threads


class Tap(comm.base_comm.BaseComm):
    """Keeps what Python sends: ``(comm_id, kind, content, buffers)``."""

    sent: list = []

    def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **_keys):
        Tap.sent.append((self.comm_id, msg_type, data or {}, list(buffers or [])))


class Page:
    """What the JavaScript of one widget would send, and what it would have heard."""

    def __init__(self, widget):
        self.widget = widget

    def _message(self, data):
        self.widget._handle_msg({"content": {"data": data}, "buffers": []})

    def do(self, command):
        self._message({"method": "custom", "content": {"do": command}})

    def junk(self, content):
        self._message({"method": "custom", "content": content})

    def set(self, **state):
        self._message({"method": "update", "state": state, "buffer_paths": []})

    def heard(self):
        mine = [m for m in Tap.sent if m[0] == self.widget.comm.comm_id]
        return [(data.get("content"), buffers) for _id, kind, data, buffers in mine if data.get("method") == "custom"]

    def states(self, name):
        """Every value of a trait that went to the page after the widget was opened."""
        mine = [m[2] for m in Tap.sent if m[0] == self.widget.comm.comm_id]
        return [data["state"][name] for data in mine if data.get("method") == "update" and name in data["state"]]

    def snapshots(self):
        """Every snapshot that went to the page after the widget was opened, as bytes."""
        mine = [m for m in Tap.sent if m[0] == self.widget.comm.comm_id and m[2].get("method") == "update"]
        return [bytes(buffers[0]) for _id, _kind, data, buffers in mine if ["snapshot"] in data.get("buffer_paths", [])]


@pytest.fixture(autouse=True)
def english():
    """Every test begins in English, whatever a test of the book left set."""
    lrwidgets.strings.set_language("en")


@pytest.fixture(autouse=True)
def tap(monkeypatch):
    Tap.sent = []
    monkeypatch.setattr(comm, "create_comm", lambda *a, **k: Tap(*a, **k))
    monkeypatch.setattr(widget_module.comm, "create_comm", lambda *a, **k: Tap(*a, **k))
    monkeypatch.setattr(lrwidgets.training_lab.runs, "warm_up", lambda then: None)
    yield Tap
    stop_all()
    assert job_threads() == []


@pytest.fixture
def page():
    return Page


@pytest.fixture
def until():
    """Wait for a condition, not for a time."""

    def wait(condition, seconds=20.0):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "the condition did not come true"
            time.sleep(0.002)

    return wait


@pytest.fixture
def need():
    """A tool that is not Python: missing it fails where CI promises it, and costs a skip with a reason elsewhere."""

    def check(*tools):
        missing = [tool for tool in tools if not shutil.which(tool)]
        if missing and os.environ.get("CI"):
            pytest.fail(f"{', '.join(missing)} must be installed where CI is set")
        if missing:
            pytest.skip(f"{', '.join(missing)} is not installed")

    return check


@pytest.fixture
def dice():
    return random.Random(20261121)
