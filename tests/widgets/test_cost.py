"""The cost ledger: the same arithmetic in the page and in Python."""

import json
import math
import pathlib
import subprocess

import pytest

from lrwidgets import CostLedger, cost

JS = pathlib.Path(__file__).parents[2] / "widgets" / "js"


def test_page_and_python_compute_the_same(need, dice):
    need("node")
    cases = [
        {name: round(dice.uniform(low, 100), 2) for name, low in zip(cost.NUMBERS, (0, 0, -9, -9, -9, 0, 0, -99, 0))}
        for _ in range(40)
    ]
    cases += [
        {**cases[0], "point_value": 0.0},
        {**cases[0], "months": 0.0},
        {**cases[0], "trainings": 0.0, "gain": -1.0},
    ]
    code = (
        "import {ledger} from './cost.js'; console.log(JSON.stringify(JSON.parse(process.argv[1]).map(ledger), "
        "(_k, v) => (v === Infinity ? 'inf' : v)));"
    )
    done = subprocess.run(
        ["node", "--input-type=module", "-e", code, json.dumps(cases)],
        cwd=JS,
        check=True,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    for case, page in zip(cases, json.loads(done.stdout), strict=True):
        assert {name: float(value) for name, value in page.items()} == pytest.approx(cost.ledger(**case)), case


def test_the_break_even_is_where_the_net_is_zero():
    books = CostLedger(trainings=30, training_cost=40, gain=0.8, point_value=150, inference_change=-2, months=20)
    assert books.books["net"] > 0
    books.months = books.books["months_needed"]
    assert books.books["net"] == pytest.approx(0, abs=1e-9)
    books.gain, books.months = books.books["gain_needed"], 20
    books.gain = books.books["gain_needed"]
    assert books.books["net"] == pytest.approx(0, abs=1e-9)
    assert CostLedger(gain=0.0).books["months_needed"] == math.inf


def test_a_wrong_value_and_an_unknown_measurement_are_named(page):
    with pytest.raises(ValueError, match="trainings"):
        CostLedger(trainings=-1)
    with pytest.raises(ValueError, match="'price' is none of trainings"):
        CostLedger(measured=("price",))
    books = CostLedger(measured=("gain",), gain=2.5)
    page(books).set(gain=3)
    assert books.gain == 3 and books.measured == {"gain": 2.5}, (
        "the page tells the reader's number from the measured one"
    )
