"""The edge of stability: the page and lrlib train the same network; the rate moves in mid-run."""

import json
import math
import pathlib
import subprocess

import numpy as np
import pytest

from lrbook import recorded
from lrwidgets import EdgeOfStability, edge

JS = pathlib.Path(__file__).parents[2] / "widgets" / "js"
CODE = (
    "import {descent} from './edge_task.js'; const [s, ...rates] = JSON.parse(process.argv[1]); let t = 0;"
    "console.log(JSON.stringify([...descent(s, () => rates[t++ < 60 ? 0 : 1])]));"
)


def test_the_page_trains_what_the_library_trains(need):
    need("node")
    settings, rates = {"width": 12, "seed": 3, "steps": 120, "every": 20}, (0.05, 0.2)
    done = subprocess.run(
        ["node", "--input-type=module", "-e", CODE, json.dumps([settings, *rates])],
        cwd=JS,
        check=True,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    page, run = json.loads(done.stdout), edge.descent(12, 3, rates[0], 120)
    mine = [next(run)] + [run.send({"lr": rates[0 if t < 60 else 1]}) for t in range(1, 120)]
    assert [(e.step, e.lr) for e in mine] == [(row[0], row[2]) for row in page]
    assert [e.loss for e in mine] == pytest.approx([row[1] for row in page], rel=1e-9)
    assert [e.sharpness for e in mine[::20]] == pytest.approx([row[3] for row in page[::20]], rel=2e-3)
    assert [e.step for e in mine if not math.isnan(e.sharpness)] == [row[0] for row in page if row[3] is not None]


def test_a_run_streams_its_sharpness_and_follows_the_slider(page, until):
    figure = EdgeOfStability(lr=0.02, units=5, steps=20_000)
    figure.run()
    until(lambda: figure.step > 40, 120)
    page(figure).set(lr=0.03)
    until(lambda: figure.history()["lr"][-1] == pytest.approx(0.03))
    figure.stop()
    assert figure.wait(30) and figure.status == "stopped"
    h = figure.history()
    assert h["lr"][0] == pytest.approx(0.02) and h["step"] == list(range(figure.step))
    measured = [step for step, s in zip(h["step"], h["sharpness"]) if not math.isnan(s)]
    assert measured == list(range(0, figure.step, 20)) and figure.sharpness > 0


def test_a_run_that_leaves_says_so():
    figure = EdgeOfStability(lr=5.0, units=5, steps=100)
    assert figure.run().wait(120) and figure.status == "done"
    h = figure.history()
    assert figure.step < 100 and math.isnan(h["lr"][-1]) and h["loss"][-1] > 100 * h["loss"][0]


@pytest.mark.parametrize(
    "name, value", [("lr", 0), ("lr", math.inf), ("units", 4), ("units", 7.5), ("steps", 50), ("seed", -1)]
)
def test_a_wrong_value_is_refused(name, value):
    figure = EdgeOfStability()
    with pytest.raises(ValueError, match=name):
        setattr(figure, name, value)


def test_recorded_runs_reach_the_edge_and_stay():
    file = recorded.read("edge_of_stability")
    for run in file["runs"]:
        lr = file["axes"][0]["values"][run["at"][0]]
        raw = recorded.base64.b64decode(run["b64"])
        half = len(raw) // 2
        loss, high = (recorded.unpack(c, part) for c, part in zip(file["columns"], (raw[:half], raw[half:])))
        assert loss[-1] < loss[0] or (lr == 0.3 and np.isnan(loss[-1])), lr
        if 0.05 <= lr <= 0.2:
            assert np.median(high[-30:]) * lr / 2 == pytest.approx(1, abs=0.1), lr
        if lr <= 0.02:
            assert high.max() < 0.6 * 2 / lr


def test_a_recorded_run_made_afresh_agrees():
    file = recorded.read("edge_of_stability")
    raw = recorded.base64.b64decode(file["runs"][3]["b64"])
    loss, high = recorded.edge_run(0.05, steps=200)
    old = recorded.unpack(file["columns"][0], raw[: len(raw) // 2])
    assert loss[:10] == pytest.approx(old[:10], rel=1e-3)
    assert high[:10] == pytest.approx(recorded.unpack(file["columns"][1], raw[len(raw) // 2 :])[:10], rel=5e-3)
