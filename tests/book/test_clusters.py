"""The page on clusters is true: its command lines start a cluster, its Python runs there, its folder is read again."""

import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lrbook.nbtext import BOOK
from lrlib.cli import main

PORT, STEPS = "8786", re.compile(r'(steps"?:? )200')


def blocks(language, lang="en"):
    """The page's blocks of one language."""
    text = (BOOK / lang / "clusters.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def here(line, port):
    """A line of the page with the test's own port, and fewer steps so that it is quick."""
    return STEPS.sub(r"\g<1>5", line.replace(PORT, port))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A scheduler and two workers, started by the page's own lines on a free port; gives that port."""
    distributed = pytest.importorskip("distributed")
    port, folder = free_port(), tmp_path_factory.mktemp("cluster")
    lines = [shlex.split(here(line, port)) for line in blocks("sh") if line.startswith("dask ")]
    assert [words[1] for words in lines] == ["scheduler", "worker"]
    started = [
        subprocess.Popen(
            [sys.executable, "-m", *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for words in lines
    ]
    try:
        with distributed.Client(f"tcp://127.0.0.1:{port}", timeout="60s") as client:
            client.wait_for_workers(2, timeout=60)
        yield port
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(timeout=30)


def test_the_page_runs_as_it_stands(cluster, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for code in blocks("python"):
        if "ray" not in code:  # the page says that these lines are untested
            exec(here(code, cluster), names)
    said = capsys.readouterr().out
    assert "2 parts by joblib (Loky)" in said and "4 parts by joblib (DaskDistributed)" in said
    assert len(list(Path("runs").iterdir())) == 8 and "8 parts" in names["record"].path_reason
    lines = [shlex.split(here(line, cluster).replace("\\\n", "")) for line in blocks("sh") if "-m lrlib" in line]
    assert len(lines) == 2
    for words in lines:
        assert main(words[3:]) == 0, words
        assert "best by valid_loss" in capsys.readouterr().out


def test_a_task_in_a_file_travels_to_workers_that_do_not_have_it(cluster, tmp_path, capsys):
    task = tmp_path / "only_here.py"
    task.write_text(
        "from lrlib import tasks\n\ndef loss(x, y):\n    return x.square().sum()\n\n"
        "def make_task():\n    task = tasks.quadratic((4.0,))\n    task.loss = loss\n    return task\n",
        encoding="utf-8",
    )
    words = ["sweep", f"{task}:make_task", "--lr", "0.1,0.2", "--cluster", f"tcp://127.0.0.1:{cluster}"]
    assert main(words) == 0
    assert "best by train_loss: rate 0.2" in capsys.readouterr().out


def test_both_editions_show_the_same_lines():
    for language in ("python", "sh"):
        assert blocks(language) == blocks(language, "ja")
    assert len(blocks("sh")) == 6 and len(blocks("python")) == 4
