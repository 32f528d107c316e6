"""`run.py lab` as a reader starts it: the address is printed soon, no news are fetched, Ctrl-C leaves nothing behind."""

import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest

from tools.environment import Environment

from .conftest import ROOT

SOON = 300  # a later start takes under 5 s on a quiet machine; this one may share its cores


def answered(address, seconds=60):
    """The page at `address`: JupyterLab prints its address a moment before it listens there."""
    end = time.monotonic() + seconds
    while True:
        try:
            return urllib.request.urlopen(address, timeout=30).read().decode("utf-8")
        except urllib.error.URLError as error:
            refused = isinstance(error.reason, ConnectionRefusedError)
            if not refused or time.monotonic() > end:
                raise
        time.sleep(0.1)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def started():
    """The running command, its printed lines so far, and the seconds until the address came."""
    if os.name != "posix" or Environment(ROOT).state() != "ready":
        pytest.skip("needs the environment that run.py makes, and signals")
    quiet = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "run.py", "lab", f"--port={free_port()}"],
        cwd=ROOT,
        env=quiet,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        start_new_session=True,
    )
    lines, seen = queue.Queue(), []
    threading.Thread(target=lambda: [lines.put(line) for line in process.stdout], daemon=True).start()
    try:
        while not any("http://127.0.0.1:" in line for line in seen):
            seen.append(lines.get(timeout=SOON))
        yield process, seen, time.monotonic() - begun
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def test_the_lab_starts_prints_its_address_and_ends(started):
    process, lines, seconds = started
    text = "".join(lines)
    address = re.search(r"http://127\.0\.0\.1:\d+/\S+", text)[0]
    assert seconds < SOON and "No display here" in text
    assert "/lab/tree/" in address and "index.ipynb" in address
    page = answered(address)
    assert re.search(r'"news":\s*\{"disabled":\s*true\}', page)
    assert '"@jupyterlab/apputils-extension:announcements"' in page.split('"disabledExtensions"')[1].split("]")[0]
    assert (ROOT / "my-notebooks" / "ja" / "index.ipynb").exists()
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=30) == 0
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(address, timeout=5)
