"""The helper of the experiments: intervals, result files, and the comparison with them."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbook import result_file, results
from lrbook.experiment import Experiment
from lrbook.quantity import exact, measured, paired
from lrbook.result_file import compare


def test_t_interval_against_a_worked_example():
    """n = 4, mean 2.5, s = 1.291, t = 3.182: 2.5 ± 2.054."""
    q = measured([1, 2, 3, 4])
    assert (float(q.mean), round(float(q.low), 3), round(float(q.high), 3)) == (2.5, 0.446, 4.554)


def test_ninety_five_of_a_hundred_intervals_hold_the_mean():
    values = np.random.default_rng(1).normal(3.0, 2.0, size=(2000, 20))
    q = measured(values, axes={"world": range(2000)})
    held = np.mean((q.low <= 3.0) & (q.high >= 3.0))
    assert 0.90 < held < 0.97


def test_a_share_of_single_trials_is_never_certain():
    q = measured(np.ones(10), "share of runs")
    assert q.method == "share" and (q.mean, q.high) == (1, 1) and round(float(q.low), 3) == 0.692
    assert measured(np.ones(10), "accuracy").method == measured([0.2, 1.0], "share of walkers").method == "t"
    rows = measured([[0, 1, 1], [0, 0, np.nan]], "share", axes={"rate": [1, 2]})
    assert rows.low[0] > 0 and np.isnan(rows.low[1]) and np.isnan(rows.high[1])
    with pytest.raises(ValueError, match="method 'share' is for values"):
        measured([0.5, 1.0], "share", method="share")


def test_hits_minus_misses_are_covered_at_least_as_often_as_they_say():
    draws = np.random.default_rng(0)
    for p in ((0.4, 0.1, 0.5), (0.4, 0.2, 0.4), (0.5, 0.5, 0.0)):
        values = draws.choice([-1.0, 0.0, 1.0], p=p, size=(500, 20))
        q = measured(values, "share of runs", axes={"world": range(500)})
        assert q.method == "share" and np.mean((q.low <= p[2] - p[0]) & (p[2] - p[0] <= q.high)) >= 0.95


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20), st.floats(-5, 5))
def test_a_pair_of_shifted_values_differs_by_the_shift(values, shift):
    q = paired(np.array(values) + shift, values)
    assert np.isclose(q.mean, shift, atol=1e-9) and q.low <= q.mean <= q.high


def test_axes_come_before_the_seeds():
    q = measured(np.ones((3, 2, 5)), axes={"lr": [1, 2, 3], "task": ["a", "b"]})
    assert q.mean.shape == (3, 2) and q.entry()["axes"] == {"lr": [1, 2, 3], "task": ["a", "b"]}


def test_what_does_not_exist_becomes_null_and_nan():
    q = measured([[1.0, np.nan], [1.0, np.nan]], axes={"lr": [1, 2]})
    entry = q.entry()
    assert entry["values"] == [[1.0, None], [1.0, None]] and entry["mean"] == [None, None]


@pytest.mark.parametrize(
    "build, words",
    [
        (lambda: measured(np.ones((2, 3))), r"not shape \(2, 3\)"),
        (lambda: measured(1.0), "not shape"),
        (lambda: measured([1, 2], method="guess"), "not 'guess'"),
        (lambda: exact([1, 2]), r"not shape \(2,\)"),
        (lambda: paired([1, 2], [1, 2, 3]), r"\(2,\) and \(3,\)"),
    ],
)
def test_wrong_arguments_are_named(build, words):
    with pytest.raises(ValueError, match=words):
        build()


def run(mode):
    n = 10 if mode == "full" else 3
    values = np.random.default_rng(0).normal(1.0, 0.1, size=n)
    return {"gain": measured(values, "pp"), "limit": exact(0.5, "rate")}


def expect(quantities):
    assert quantities["gain"].mean > 0


@pytest.fixture
def helper(tmp_path, monkeypatch):
    """An experiment in a folder of its own."""
    schema = (results.FOLDER / "schema.json").read_text(encoding="utf-8")
    (tmp_path / "schema.json").write_text(schema, encoding="utf-8")
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    script = tmp_path / "e98_helper.py"
    script.write_text("from lrlib import rules\n", encoding="utf-8")
    return Experiment("e98_helper", "Does the helper work?", run, expect, str(script))


def test_full_mode_writes_what_reads_back(helper, capsys):
    assert helper.main(["--full"]) == 0
    read = results.result("e98_helper")
    assert read.full and read.seeds == list(range(10)) and set(read.quick) == {"gain", "limit"}
    assert read.quantity("gain").n == 10 and read.about["code"] == helper.code
    assert "gain" in capsys.readouterr().out


def test_quick_mode_writes_nothing_and_compares(helper, capsys):
    assert helper.main([]) == 0 and not helper.path.exists()
    helper.full()
    before = helper.path.read_bytes()
    assert helper.main([]) == 0 and helper.path.read_bytes() == before
    document = json.loads(before)
    near = 0.5000001
    document["quick"]["quantities"]["limit"] |= dict(mean=near, low=near, high=near)
    result_file.save(helper.path, document)
    assert helper.main([]) == 1 and "limit: other digits than stored" in capsys.readouterr().out
    document["quick"]["machine"] = "another one"  # where only bands hold
    result_file.save(helper.path, document)
    assert helper.main([]) == 0
    document["quick"]["quantities"]["limit"] |= dict(mean=0.9, low=0.9, high=0.9)
    result_file.save(helper.path, document)
    assert helper.main([]) == 1 and "limit: 0.5" in capsys.readouterr().out
    assert helper.main(["--store-quick"]) == 0 and helper.main([]) == 0


def test_confirming_needs_the_same_digits(helper):
    helper.full()
    measured_with = helper.code
    script = Path(helper.file)
    script.write_text("from lrlib import rules\nRATE = 1\n", encoding="utf-8")
    assert helper.main(["--confirm"]) == 0
    about = results.result("e98_helper").about
    assert about["code"] == measured_with != about["confirmed"] == helper.code
    other = {**helper.run("quick"), "limit": exact(0.5001)}
    moved = Experiment(helper.id, helper.question, lambda mode: other, expect, helper.file)
    before = helper.path.read_bytes()
    with pytest.raises(ValueError, match="limit; run --full"):
        moved.main(["--confirm"])
    assert helper.path.read_bytes() == before


def test_expectations_are_asserted_before_anything_is_written(helper):
    bad = Experiment(helper.id, helper.question, lambda mode: {"gain": exact(-1.0)}, expect, helper.file)
    with pytest.raises(AssertionError):
        bad.full()
    assert not helper.path.exists()


def test_too_large_a_result_is_refused(helper):
    many = {"gain": measured(np.random.default_rng(0).normal(size=(400, 100)), axes={"lr": range(400)})}
    with pytest.raises(ValueError, match="300000"):
        result_file.save(helper.path, helper.document(many, 1.0, quick=many))
    assert not helper.path.exists()


def stored(**quantities):
    return {name: results._measured(name, q.entry()) for name, q in quantities.items()}


def test_comparison_uses_bands():
    assert compare(stored(a=exact(1.0)), {"a": exact(1.04)}) == []
    assert compare(stored(a=exact(1.0)), {"a": exact(1.06)}) != []
    assert compare(stored(a=exact(1.0)), {"a": exact(1.4, band=0.5)}) == []
    assert compare(stored(a=exact(float("inf"))), {"a": exact(float("inf"))}) == []
    assert compare(stored(a=exact(1.0)), {"a": exact(float("inf"))}) != []
    assert "stored" in compare(stored(a=exact(1.0)), {})[0]
    assert "not stored" in compare({}, {"a": exact(1.0)})[0]
    assert "shape" in compare(stored(a=exact(1.0)), {"a": exact([1.0, 1.0], axes={"lr": [1, 2]})})[0]
