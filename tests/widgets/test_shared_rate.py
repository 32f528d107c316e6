"""The shared rate: the same arithmetic in the page and in Python, and a recording that is what the results say."""

import json
import pathlib
import subprocess

import pytest

from lrbook import recorded, results
from lrwidgets import SharedRate, shared_rate

JS = pathlib.Path(__file__).parents[2] / "widgets" / "js"
PAGE = """import {common, costs, least, reaches, truth} from './shared.js';
const groups = JSON.parse(process.argv[1]);
console.log(JSON.stringify(Object.fromEntries(Object.entries(groups).map(([name, g]) => [name,
  { common: common(g), costs: common(g).map((rate) => costs(g, rate)), least: least(g), reaches: reaches(g), truth: truth(name, g) }]))));"""


def made(unit, *curves, rates=(0.01, 0.1, 1.0, 10.0)):
    return {
        "unit": unit,
        "rates": list(rates),
        "settings": [{"name": n, "mean": list(c), "low": list(c), "high": list(c)} for n, c in zip("abc", curves)],
    }


GROUPS = {
    "width": made("points", (0.7, 0.9, 0.895, 0.2), (0.85, 0.84, 0.3, None), (0.9, 0.7, 0.2, 0.1)),
    "depth": made("points", (0.7, 0.9, 0.895, 0.2), (0.1, 0.7, 0.9, 0.895)),
    "regulariser": made("points", (0.2, 0.9, 0.1, 0.1), (0.9, 0.2, 0.1, 0.1)),
    "data": made("nats", (2.0, 1.0, 1.01, 3.0), (1.5, 1.4, 1.3, 2.0)),
}


def test_page_and_python_compute_the_same(need):
    need("node")
    groups = GROUPS | {f"recorded {name}": group for name, group in recorded.read("shared_rate")["groups"].items()}
    done = subprocess.run(
        ["node", "--input-type=module", "-e", PAGE, json.dumps(groups)],
        cwd=JS,
        check=True,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    for name, page in json.loads(done.stdout).items():
        group, (sign, near) = groups[name], shared_rate.UNITS[groups[name]["unit"]]
        assert page["common"] == shared_rate.common(group) and page["least"] == shared_rate.least(group)
        for rate, cost in zip(page["common"], page["costs"], strict=True):
            assert cost == pytest.approx(list(shared_rate.costs(group, rate).values())) and min(cost) >= 0
        for s, found in zip(group["settings"], page["reaches"], strict=True):
            ends = shared_rate.reach(group["rates"], [None if v is None else sign * v for v in s["mean"]], near)
            assert (found["low"], found["high"]) == pytest.approx(ends)


def test_the_guess_is_judged_by_the_middle_of_the_ranges(need):
    need("node")
    done = subprocess.run(
        ["node", "--input-type=module", "-e", PAGE, json.dumps(GROUPS)],
        cwd=JS,
        check=True,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert {name: page["truth"] for name, page in json.loads(done.stdout).items()} == {
        "width": "down",
        "depth": "up",
        "regulariser": "b",
        "data": "b",
    }


def test_the_recording_is_what_the_results_say():
    file = recorded.read("shared_rate")
    assert file == json.loads(json.dumps(shared_rate.gather(results.FOLDER))), (
        "run: python -m lrbook.recorded shared_rate"
    )
    assert {"width", "depth", "data", "method"} <= set(file["groups"]) <= set(shared_rate.SOURCES)
    for group in file["groups"].values():
        assert len(shared_rate.common(group)) >= 6 and len(group["settings"]) >= 2
        assert all(len(s[part]) == len(group["rates"]) for s in group["settings"] for part in ("mean", "low", "high"))
    assert (recorded.FOLDER / "shared_rate.js").stat().st_size <= 30_000, "the notebooks store it"


def test_the_answer_costs_less_than_any_other_rate_in_its_worst_setting(page):
    shared = SharedRate(group="method")
    worst = max(shared.costs.values())
    shared.rate = shared.answer
    assert max(shared.costs.values()) < worst and all(low <= high for low, high in shared.ranges.values())
    page(shared).set(group="data", guess="digits", revealed=True)
    assert set(shared.costs) == set(shared_rate.TASKS) and shared.guess == "digits"
    with pytest.raises(ValueError, match="group"):
        shared.group = "weather"
