"""The rules that turn intervals into verdicts, as a table and as properties."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbook import chance, quantity, results, verdicts
from lrbook.language import read_table
from lrbook.verdicts import Judged, Part, Rule, join, judge, verdict

numbers = st.floats(-1e3, 1e3, allow_nan=False)
margins = st.floats(0, 1e3, allow_nan=False)
directions = st.sampled_from((">", "<", "="))


@pytest.mark.parametrize(
    "low, high, direction, margin, expected",
    [
        (0.6, 1.4, ">", 0.5, "supported"),
        (0.5, 1.4, ">", 0.5, "undecided"),  # the end must be above the margin, not on it
        (-0.5, 0.5, ">", 0.5, "smaller than the margin"),
        (-0.1, 0.7, ">", 0.5, "undecided"),
        (-2.0, -0.6, ">", 0.5, "contradicted"),
        (-2.0, -0.5, ">", 0.5, "undecided"),
        (-2.0, -0.6, "<", 0.5, "supported"),
        (0.6, 1.4, "<", 0.5, "contradicted"),
        (-0.5, 0.5, "<", 0.5, "smaller than the margin"),
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
    assert (found == "smaller than the margin") == (-margin <= low and high <= margin)


@given(numbers, numbers, margins)
def test_equality_is_supported_just_where_a_difference_is_none(a, b, margin):
    low, high = sorted((a, b))
    assert (judge(low, high, "=", margin) == "supported") == (
        judge(low, high, ">", margin) == "smaller than the margin"
    )


@pytest.mark.parametrize("arguments", [(0, 1, "≥", 0.5), (0, 1, ">", -0.5), (0, 1, ">", math.nan), (1, 0, ">", 0.5)])
def test_wrong_arguments_are_named(arguments):
    with pytest.raises(ValueError, match="must"):
        judge(*arguments)


@pytest.mark.parametrize(
    "names, expected",
    [
        (["supported"], "supported"),
        (["supported", "supported"], "supported"),
        (["undecided", "undecided"], "undecided"),
        (["smaller than the margin"], "smaller than the margin"),
        (["supported", "contradicted"], "mixed"),
        (["supported", "contradicted", "undecided"], "mixed"),
        (["undecided", "contradicted"], "contradicted"),
        (["smaller than the margin", "contradicted"], "contradicted"),
        (["supported", "undecided", "smaller than the margin"], "undecided"),
        (["supported", "smaller than the margin"], "smaller than the margin"),
        (["proved", "proved"], "proved"),
        (["proved", "supported"], "supported"),
        (["by citation", "by citation"], "by citation"),
        (["by citation", "contradicted by source"], "mixed"),
        (["contradicted by source", "undecided"], "contradicted"),
        (["by definition", "smaller than the margin"], "smaller than the margin"),
    ],
)
def test_joining(names, expected):
    assert join(names) == expected
    assert join(names[::-1]) == expected


@given(st.lists(st.sampled_from(("supported", "contradicted", "undecided", "smaller than the margin")), min_size=1))
def test_a_claim_is_supported_just_where_all_its_parts_are_and_one_contradicted_part_is_never_hidden(names):
    assert (join(names) == "supported") == (set(names) == {"supported"})
    assert (join(names) in ("contradicted", "mixed")) == ("contradicted" in names)


def judged(word, role="core", number="E01", low=0.6, high=1.4):
    """A row with a verdict: an interval of ten seeds."""
    measured = None if word is None else results.Measured("gap", "", {}, "t", (low + high) / 2, low, high, np.zeros(10))
    return Judged(Rule("C1", number, "gap", ">", 0.5, "", role), measured, word)


def test_rows_beside_a_core_have_no_say_and_are_told():
    rows = [judged("supported"), judged("contradicted", "scope"), judged("smaller than the margin", "replication")]
    rows += [judged("undecided", "scope"), judged("contradicted", "illustration")]
    part = verdicts.judge_part(Part(), rows)
    found = verdicts.Verdict(part.name, parts=(part,))
    assert (part.name, len(found.cores), len(found.others)) == ("supported", 1, 3)
    assert [row.verdict for row in found.against] == ["contradicted", "smaller than the margin"]


def test_a_contradicted_claim_tells_what_came_out_as_it_says():
    part = verdicts.judge_part(
        Part(), [judged("contradicted"), judged("supported", "scope"), judged("undecided", "scope")]
    )
    assert [row.verdict for row in verdicts.Verdict(part.name, parts=(part,)).against] == ["supported"]


@pytest.mark.parametrize("low, high, sign", [(0.1, 0.9, 1), (-0.9, -0.1, -1), (-0.1, 0.9, 0)])
def test_an_undecided_interval_on_one_side_of_zero_has_a_sign(low, high, sign):
    assert judged("undecided", low=low, high=high).sign == sign
    assert judged("supported", low=low, high=high).sign == 0


@pytest.mark.parametrize("method, word", [("t", "no variation"), ("share", "no variation"), ("exact", "supported")])
def test_seeds_that_all_gave_one_value_judge_nothing(method, word):
    values = None if method == "exact" else np.ones(10)
    quantity = results.Measured("gap", "", {}, method, 1.0, 1.0, 1.0, values)
    found = verdicts.measure(RULE, {"E01": [results.Result("e01_ladder", "Does it?", "full", [], {"gap": quantity})]})
    assert found.verdict == word and join([found.verdict]) == ("supported" if method == "exact" else "undecided")
    assert join(["supported", "no variation"]) == "undecided"


def sometimes(*rows):
    return verdicts.judge_part(Part(quantifier="may"), list(rows)).name


def test_may_needs_one_task_at_a_level_divided_by_their_number():
    sure, bare = dict(low=0.9, high=1.1), dict(low=0.501, high=1.4)
    no = judged("contradicted", "replication")
    assert sometimes(judged("supported", **bare)) == "supported"
    assert sometimes(judged("supported", **bare), no) == "undecided"
    assert sometimes(judged("supported", **sure), no) == "supported"
    assert sometimes(judged("contradicted"), judged("supported", "replication", **sure)) == "supported"
    assert sometimes(judged("contradicted"), no) == "contradicted"
    assert sometimes(judged("smaller than the margin"), no) == "smaller than the margin"
    assert sometimes(judged("undecided"), no) == "undecided"


def mostly(supported, tasks):
    rows = [
        judged("supported" if k < supported else "contradicted", "replication" if k else "core") for k in range(tasks)
    ]
    return verdicts.judge_part(Part(quantifier="most"), rows).name


def test_most_is_a_share_over_at_least_twelve_tasks():
    assert [mostly(4, 4), mostly(11, 11), mostly(12, 12), mostly(7, 12), mostly(1, 12)] == [
        *("undecided", "undecided", "supported", "undecided", "contradicted")
    ]


def test_parts_without_a_measurement():
    assert verdicts.judge_part(Part(kind="untestable"), []).joined is False
    assert verdicts.judge_part(Part(kind="cite"), []).joined is False
    assert (
        verdicts.judge_part(Part(kind="cite", source="he2016deep", cited="contradicts"), []).name
        == "contradicted by source"
    )
    assert verdicts.judge_part(Part(kind="exact", test="a"), []).name == "proved"


def row(kind="measure", experiments="E01", **changes):
    return dict(id="C1", kind=kind, experiments=experiments, citation="", cited="", test="") | changes


def stored(id="e01_ladder", mode="full", **quantities):
    made = {
        name: results.Measured(name, "pp", {}, "t", (low + high) / 2, low, high, np.array([low, high]))
        for name, (low, high) in quantities.items()
    }
    return results.Result(id, "Does it?", mode, [0, 1], made)


RULE = Rule("C1", "E01", "gap", ">", 0.5, "pp")


ONE = [Part()]


def test_a_claim_whose_cores_are_all_there():
    found = verdict(row(experiments="E01 E02"), ONE, [RULE], {"E01": [stored(gap=(1, 2))]})
    assert (found.name, found.missing, found.cores[0].measured.low) == ("supported", (), 1)


@pytest.mark.parametrize(
    "low, high, margin, direction, expected",
    [
        (0.6, 0.8, 0.0, ">", "supported"),
        (0.1, 0.4, 0.0, ">", "contradicted"),
        (0.45, 0.55, 0.1, ">", "smaller than the margin"),
        (0.4, 0.6, 0.0, ">", "undecided"),
        (0.1, 0.4, 0.05, "<", "supported"),
    ],
)
def test_a_share_is_compared_with_a_stated_value(low, high, margin, direction, expected):
    rule = Rule("C1", "E01", "gap", direction, margin, "share", centre=0.5)
    test = verdict(row(), ONE, [rule], {"E01": [stored(gap=(low, high))]}).cores[0]
    assert test.verdict == expected
    assert (chance.p_value(test) < 0.025) == (expected != "undecided")


def test_partly_measured_names_what_is_missing():
    rules = [RULE, dataclasses.replace(RULE, part="2", experiment="E02")]
    found = verdict(row(), [Part("1"), Part("2")], rules, {"E01": [stored(gap=(1, 2))]})
    assert (found.name, found.so_far, found.missing) == ("partly measured", "supported", ("E02",))


def test_not_yet_measured_without_parts_without_results_and_with_quick_ones():
    assert verdict(row(experiments="E01 E02"), [], [], {"E01": [stored(gap=(1, 2))]}).missing == ("E01", "E02")
    assert verdict(row(), ONE, [RULE], {}).name == "not yet measured"
    assert verdict(row(), ONE, [RULE], {"E01": [stored(mode="quick", gap=(1, 2))]}).name == "not yet measured"


def test_a_claim_none_of_whose_parts_can_be_tested_says_so():
    assert verdict(row(), [Part(kind="untestable")], [], {}).name == "not testable here"


def test_a_result_without_the_quantity_is_an_error_that_lists_the_names():
    with pytest.raises(ValueError, match=r"\['other'\], not 'gap'"):
        verdict(row(), ONE, [RULE], {"E01": [stored(other=(1, 2))]})


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
    assert verdict(row(experiments="", **changes), [], [], {}).name == expected


def test_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="kind of C1"):
        verdict(row(kind="guess"), [], [], {})
    with pytest.raises(ValueError, match="cited of C1"):
        verdict(row(kind="cite", citation="smith2017", cited="maybe"), [], [], {})


@given(
    st.lists(st.floats(-3, 3), min_size=3, max_size=12).filter(lambda v: np.std(v) > 1e-3),
    directions,
    st.floats(0.01, 2),
)
def test_the_interval_decides_where_p_is_below_two_and_a_half_percent(values, direction, margin):
    q = quantity.measured(values)
    measured = results.Measured("gap", "", {}, "t", q.mean.item(), q.low.item(), q.high.item(), q.values)
    word = judge(measured.low, measured.high, direction, margin)
    p = chance.p_value(Judged(Rule("C1", "E01", "gap", direction, margin, ""), measured, word))
    if abs(p - 0.025) > 1e-6:
        assert (p < 0.025) == (word != "undecided")


@given(
    st.floats(-2, 2),
    st.floats(0.01, 2),
    st.floats(0.01, 2),
    directions,
    st.floats(0.01, 2),
    st.sampled_from(["bca", "share"]),
)
def test_a_skewed_interval_decides_by_its_own_sides(mean, down, up, direction, margin, method):
    measured = results.Measured("gap", "", {}, method, mean, mean - down, mean + up, np.zeros(9))
    word = judge(measured.low, measured.high, direction, margin)
    p = chance.p_value(Judged(Rule("C1", "E01", "gap", direction, margin, ""), measured, word))
    if abs(p - 0.025) > 1e-6:
        assert (p < 0.025) == (word != "undecided")


@pytest.mark.parametrize("low, high", [(0.53, 1.5), (-1.5, -0.53), (-0.47, 0.47)])
def test_a_limit_within_three_monte_carlo_errors_of_the_margin_is_undecided(low, high):
    def word(error):
        measured = results.Measured("gap", "", {}, "bca", (low + high) / 2, low, high, np.zeros(9), error=error)
        return verdicts._judged(dataclasses.replace(RULE, direction=">", margin=0.5), measured)

    assert word(0.0) == word(0.0099) == judge(low, high, ">", 0.5) != "undecided"
    assert word(0.0101) == word(1.0) == "undecided"


def test_benjamini_hochberg_against_the_definition():
    p = [0.01, 0.02, 0.03, 0.04, 0.05]
    assert chance.benjamini_hochberg(p) == 5
    assert chance.benjamini_hochberg([0.03, 0.5]) == 0
    assert chance.benjamini_hochberg([]) == 0


def test_the_share_of_false_verdicts_grows_with_undecided_tests():
    sure = quantity.measured([1.0, 1.1, 0.9, 1.05])
    open_ = quantity.measured([1.0, -1.1, 0.9, -1.05])

    def made(q):
        measured = results.Measured("gap", "", {}, "t", q.mean.item(), q.low.item(), q.high.item(), q.values)
        return Judged(Rule("C1", "E01", "gap", ">", 0.5, ""), measured, judge(measured.low, measured.high, ">", 0.5))

    alone, among = chance.false_share([made(sure)]), chance.false_share([made(sure)] + 9 * [made(open_)])
    assert 0 < alone < among <= 1
    assert chance.false_share([made(open_)]) is None


def test_every_rule_has_the_margin_of_its_kind_of_quantity():
    """A number that the sentence implies is a centre, and its margin is 0; the half more is in the quantity."""
    margins, implied = verdicts.margins(), {"adam_time_over_half_more"}
    for rule in [rule for claim in verdicts.rules().values() for rule in claim if rule.role != "illustration"]:
        if rule.centre or rule.quantity.partition("[")[0] in implied:
            assert rule.margin == 0, rule
        else:
            assert rule.margin == margins[rule.unit], rule


def test_every_margin_has_its_reason_and_its_use():
    rows, used = read_table("margins.csv"), {rule.unit for claim in verdicts.rules().values() for rule in claim}
    assert all(row["reason_en"] and row["reason_ja"] and float(row["margin"]) > 0 for row in rows)
    assert {row["unit"] for row in rows} <= used
