"""Experiments again on fresh seeds: what is compared, counted and printed."""

import numpy as np
import pytest
from scipy.stats import norm

from lrbook import chance, fresh, golden, results, verdicts
from lrbook.verdicts import Judged, Rule


def judged(low, high, direction=">", margin=0.5, n=10):
    measured = results.Measured("gap", "", {}, "bootstrap", (low + high) / 2, low, high, np.zeros(n))
    rule = Rule("C1", "E01", "gap", direction, margin, "")
    return Judged(rule, measured, verdicts.judge(low, high, direction, margin))


def row(stored, new, direction=">"):
    return fresh.Row(("C1",), judged(*stored, direction), judged(*new, direction))


@pytest.mark.parametrize(
    "stored, new, same, over, apart",
    [
        ((0.6, 1.4), (0.7, 1.5), True, False, False),
        ((0.6, 1.4), (0.4, 1.2), False, False, False),  # decided, then undecided
        ((0.6, 1.4), (-1.5, -0.6), False, True, True),
        ((0.6, 1.4), (-0.4, 0.4), False, True, True),
        ((0.6, 1.4), (1.5, 2.5), True, False, True),
        ((0.4, 1.4), (1.4, 2.5), False, False, False),  # intervals that touch in a point
    ],
)
def test_a_row_is_compared_by_verdict_and_interval(stored, new, same, over, apart):
    found = row(stored, new)
    assert (found.same, found.over, found.apart) == (same, over, apart)


@pytest.mark.parametrize("direction", [">", "<", "="])
@pytest.mark.parametrize(
    "low, high", [(0.6, 1.4), (-0.2, 0.3), (-0.3, 0.9), (-2.0, -0.55), (0.45, 0.65), (-0.49, 0.49)]
)
def test_the_chance_to_repeat_is_that_of_drawing_again(direction, low, high):
    test, draws = judged(low, high, direction), np.random.default_rng(0)
    error = (high - low) / (2 * norm.ppf(0.975))
    means = draws.normal((low + high) / 2, error, 40_000)
    half = (high - low) / 2
    again = np.mean([verdicts.judge(m - half, m + half, direction, 0.5) == test.verdict for m in means])
    assert abs(chance.chance_to_repeat(test) - again) < 0.01


def test_the_summary_counts_rows_with_chance_in_them():
    found = [row((0.6, 1.4), (0.7, 1.5)), row((0.6, 1.4), (-1.5, -0.6)), row((0.4, 1.2), (0.6, 1.4))]
    said = fresh.summary(found)
    assert said[0].startswith("1 of 3 verdicts came again") and said[1].startswith("1 went from one decided")
    assert said[2] == "1 of 3 pairs of intervals do not touch; allowed are 0.1."
    assert "OVER APART" in fresh.table(found) and fresh.summary([]) == [
        "No row with chance in it rests on these experiments."
    ]


def test_experiments_are_named_by_number_or_drawn():
    assert fresh.chosen(["E03", "e05_last_iterate_bound"]) == ["e03_rate_sweep", "e05_last_iterate_bound"]
    with pytest.raises(ValueError, match="no experiment is called E99; there are E01, E02"):
        fresh.chosen(["E03", "E99"])
    assert fresh.tenth(4) == fresh.tenth(4) and len(fresh.tenth(4)) == -(-len(golden.names()) // 10)
    assert len({tuple(fresh.tenth(seed)) for seed in range(20)}) > 10


def test_an_experiment_is_run_again_and_goes_on_from_its_pieces(tmp_path, capsys):
    call = ["E01", "--seeds-from", "7", "--folder", str(tmp_path)]
    assert fresh.main(call) == 0
    said = capsys.readouterr().out
    assert "E01 crossing_excess [C2 C70 C114]" in said and "verdicts came again" in said
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "7" / "pieces").rglob("*.json")}
    assert kept and fresh.main(call) == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept and capsys.readouterr().out == said
    for wrong in ([], ["E01", "--tenth", "3"], ["E01", "--seeds-from", "-1"]):
        with pytest.raises(SystemExit):
            fresh.main(wrong)
