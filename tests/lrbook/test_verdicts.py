"""The rules that turn intervals into verdicts, as a table and as properties."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbook import quantity, results, verdicts
from lrbook.verdicts import Judged, Rule, combine, judge, verdict

numbers = st.floats(-1e3, 1e3, allow_nan=False)
margins = st.floats(0, 1e3, allow_nan=False)
directions = st.sampled_from((">", "<", "="))


@pytest.mark.parametrize(
    "low, high, direction, margin, expected",
    [
        (0.6, 1.4, ">", 0.5, "supported"),
        (0.5, 1.4, ">", 0.5, "undecided"),  # the end must be above the margin, not on it
        (-0.5, 0.5, ">", 0.5, "no difference"),
        (-0.1, 0.7, ">", 0.5, "undecided"),
        (-2.0, -0.6, ">", 0.5, "contradicted"),
        (-2.0, -0.5, ">", 0.5, "undecided"),
        (-2.0, -0.6, "<", 0.5, "supported"),
        (0.6, 1.4, "<", 0.5, "contradicted"),
        (-0.5, 0.5, "<", 0.5, "no difference"),
        (-0.5, 0.5, "=", 0.5, "supported"),
        (0.6, 1.4, "=", 0.5, "contradicted"),
        (-1.4, -0.6, "=", 0.5, "contradicted"),
        (0.2, 1.4, "=", 0.5, "undecided"),
        (0.0, 0.0, "=", 0.0, "supported"),
        (1.0, 1.0, ">", 0.0, "supported"),
        (math.nan, 1.0, ">", 0.5, "undecided"),
        (-math.inf, math.inf, ">", 0.5, "undecided"),
    ],
)
def test_table(low, high, direction, margin, expected):
    assert judge(low, high, direction, margin) == expected


@given(numbers, numbers, directions, margins)
def test_mirror_image(a, b, direction, margin):
    """Turning the direction and the effect round changes nothing."""
    low, high = sorted((a, b))
    turned = {">": "<", "<": ">", "=": "="}[direction]
    assert judge(low, high, direction, margin) == judge(-high, -low, turned, margin)


@given(numbers, numbers, directions, margins, st.floats(0, 100), st.floats(0, 100))
def test_a_wider_interval_never_reverses_a_verdict(a, b, direction, margin, left, right):
    low, high = sorted((a, b))
    wide = judge(low - left, high + right, direction, margin)
    assert wide in ("undecided", judge(low, high, direction, margin))


@given(numbers, numbers, margins)
def test_supported_means_every_value_is_beyond_the_margin(a, b, margin):
    low, high = sorted((a, b))
    found = judge(low, high, ">", margin)
    assert (found == "supported") == (low > margin)
    assert (found == "contradicted") == (high < -margin)
    assert (found == "no difference") == (-margin <= low and high <= margin)


@given(numbers, numbers, margins)
def test_equality_is_supported_just_where_a_difference_is_none(a, b, margin):
    low, high = sorted((a, b))
    assert (judge(low, high, "=", margin) == "supported") == (judge(low, high, ">", margin) == "no difference")


@pytest.mark.parametrize("arguments", [(0, 1, "≥", 0.5), (0, 1, ">", -0.5), (0, 1, ">", math.nan), (1, 0, ">", 0.5)])
def test_wrong_arguments_are_named(arguments):
    with pytest.raises(ValueError, match="must"):
        judge(*arguments)


def judged(word, condition="", role="main", number="E01"):
    texts = {"en": condition, "ja": condition}
    return Judged(Rule("C1", number, "gap", ">", 0.5, "", role, texts), None, word)


@pytest.mark.parametrize(
    "tests, expected",
    [
        ([], "not yet measured"),
        ([judged("supported"), judged("supported")], "supported"),
        ([judged("undecided"), judged("undecided")], "undecided"),
        ([judged("no difference")], "no difference"),
        ([judged("supported", "with noise"), judged("contradicted")], "supported under a condition"),
        ([judged("supported"), judged("contradicted", "without noise")], "mixed"),
        ([judged("supported", "a"), judged("supported"), judged("undecided")], "mixed"),
        ([judged("undecided"), judged("contradicted")], "mixed"),
        ([judged("supported"), judged("contradicted", role="condition")], "supported"),
        ([judged("supported"), judged(None)], "supported"),
    ],
)
def test_combining(tests, expected):
    assert combine(tests) == expected


def row(kind="measure", experiments="E01", **changes):
    return dict(id="C1", kind=kind, experiments=experiments, citation="", cited="", test="") | changes


def stored(id="e01_ladder", mode="full", **quantities):
    made = {
        name: results.Measured(name, "pp", {}, "t", (low + high) / 2, low, high, np.array([low, high]))
        for name, (low, high) in quantities.items()
    }
    return results.Result(id, "Does it?", mode, [0, 1], made)


RULE = Rule("C1", "E01", "gap", ">", 0.5, "pp")


def test_a_claim_whose_experiments_are_all_there():
    found = verdict(row(), [RULE], {"E01": [stored(gap=(1, 2))]})
    assert (found.name, found.missing, found.tests[0].measured.low) == ("supported", (), 1)


@pytest.mark.parametrize(
    "low, high, margin, direction, expected",
    [
        (0.6, 0.8, 0.0, ">", "supported"),
        (0.1, 0.4, 0.0, ">", "contradicted"),
        (0.45, 0.55, 0.1, ">", "no difference"),
        (0.4, 0.6, 0.0, ">", "undecided"),
        (0.1, 0.4, 0.05, "<", "supported"),
    ],
)
def test_a_share_is_compared_with_a_stated_value(low, high, margin, direction, expected):
    rule = Rule("C1", "E01", "gap", direction, margin, "share", centre=0.5)
    test = verdict(row(), [rule], {"E01": [stored(gap=(low, high))]}).tests[0]
    assert test.verdict == expected
    assert (verdicts.p_value(test) < 0.025) == (expected != "undecided")


def test_partly_measured_names_what_is_missing():
    found = verdict(row(experiments="E01 E02 E03"), [RULE], {"E01": [stored(gap=(1, 2))]})
    assert (found.name, found.so_far, found.missing) == ("partly measured", "supported", ("E02", "E03"))


def test_an_experiment_without_a_rule_is_missing():
    library = {"E01": [stored(gap=(1, 2))], "E02": [stored("e02_limit", gap=(1, 2))]}
    assert verdict(row(experiments="E01 E02"), [RULE], library).missing == ("E02",)


def test_not_yet_measured_without_results_and_with_quick_ones():
    assert verdict(row(), [RULE], {}).name == "not yet measured"
    assert verdict(row(), [RULE], {"E01": [stored(mode="quick", gap=(1, 2))]}).name == "not yet measured"


def test_a_result_without_the_quantity_is_an_error_that_lists_the_names():
    with pytest.raises(ValueError, match=r"\['other'\], not 'gap'"):
        verdict(row(), [RULE], {"E01": [stored(other=(1, 2))]})


@pytest.mark.parametrize(
    "changes, expected",
    [
        (dict(kind="not testable here"), "not testable here"),
        (dict(kind="exact"), "not yet measured"),
        (dict(kind="exact", test="tests/lrbook/test_proofs.py::test_c69"), "proved"),
        (dict(kind="cite"), "not yet measured"),
        (dict(kind="cite", citation="smith2017", cited="supports"), "by citation"),
        (dict(kind="cite", citation="smith2017", cited="contradicts"), "contradicted by source"),
        (dict(kind="cite", citation="smith2017", cited="defines"), "by definition"),
    ],
)
def test_kinds_without_measurements(changes, expected):
    assert verdict(row(experiments="", **changes), [], {}).name == expected


def test_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="kind of C1"):
        verdict(row(kind="guess"), [], {})
    with pytest.raises(ValueError, match="cited of C1"):
        verdict(row(kind="cite", citation="smith2017", cited="maybe"), [], {})


@given(
    st.lists(st.floats(-3, 3), min_size=3, max_size=12).filter(lambda v: np.std(v) > 1e-3),
    directions,
    st.floats(0.01, 2),
)
def test_the_interval_decides_where_p_is_below_two_and_a_half_percent(values, direction, margin):
    q = quantity.measured(values)
    measured = results.Measured("gap", "", {}, "t", q.mean.item(), q.low.item(), q.high.item(), q.values)
    word = judge(measured.low, measured.high, direction, margin)
    p = verdicts.p_value(Judged(Rule("C1", "E01", "gap", direction, margin, ""), measured, word))
    if abs(p - 0.025) > 1e-6:
        assert (p < 0.025) == (word != "undecided")


def test_benjamini_hochberg_against_the_definition():
    p = [0.01, 0.02, 0.03, 0.04, 0.05]
    assert verdicts.benjamini_hochberg(p) == 5
    assert verdicts.benjamini_hochberg([0.03, 0.5]) == 0
    assert verdicts.benjamini_hochberg([]) == 0


def test_the_share_of_false_verdicts_grows_with_undecided_tests():
    sure = quantity.measured([1.0, 1.1, 0.9, 1.05])
    open_ = quantity.measured([1.0, -1.1, 0.9, -1.05])

    def made(q):
        measured = results.Measured("gap", "", {}, "t", q.mean.item(), q.low.item(), q.high.item(), q.values)
        return Judged(Rule("C1", "E01", "gap", ">", 0.5, ""), measured, judge(measured.low, measured.high, ">", 0.5))

    alone, among = verdicts.false_share([made(sure)]), verdicts.false_share([made(sure)] + 9 * [made(open_)])
    assert 0 < alone < among <= 1
    assert verdicts.false_share([made(open_)]) is None
