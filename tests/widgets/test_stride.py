import json
import math
import pathlib
import subprocess

import ipywidgets
import numpy as np
import pytest
import traitlets

from lrwidgets import Stride, strings
from lrwidgets.stride import CURVES, VERDICTS, bend, descend, judge, slope

JS = pathlib.Path(__file__).parents[2] / "widgets" / "js"


@pytest.mark.parametrize(
    "p, verdict", [(0.2, "monotone"), (1.0, "monotone"), (1.5, "alternating"), (2.0, "periodic"), (2.01, "diverging")]
)
@pytest.mark.parametrize("curvature", [0.1, 3.0, 4.0, 10.0])
def test_verdict_of_a_parabola_depends_on_rate_times_curvature(p, verdict, curvature):
    assert Stride(curvature=curvature, lr=p / curvature).verdict == verdict


def test_path_follows_the_update_rule():
    s = Stride(curvature=4.0, lr=0.4, start=1.0, steps=5)
    assert s.path == pytest.approx([(1 - 0.4 * 4) ** t for t in range(6)])


def test_a_small_rate_stays_in_the_dent_and_a_large_one_leaves_it():
    small, large = (Stride(curve="dent", start=-5.0, lr=lr, steps=400) for lr in (0.05, 1.7))
    assert small.path[-1] == pytest.approx(-2.91, abs=0.01)
    assert large.path[-1] == pytest.approx(0.0, abs=0.01)


def test_wells_are_those_of_the_library():
    from lrlib.tasks.toys import Well

    for kind in ("tilted", "dent"):
        well = Well(kind)
        for x in np.linspace(-3.9, 3.9, 79):
            assert slope(kind, 1.0, x) == pytest.approx(float(well.slope(x)), abs=1e-12)
        assert [bend(kind, 1.0, x) for x in (well.left, well.right)] == pytest.approx(well.curvatures, rel=1e-6)


@pytest.mark.parametrize("curve", CURVES)
def test_bend_is_the_derivative_of_slope(curve):
    for x in np.linspace(-5, 5, 41):
        assert bend(curve, 3.0, x) == pytest.approx(
            (slope(curve, 3.0, x + 1e-5) - slope(curve, 3.0, x - 1e-5)) / 2e-5, abs=1e-4
        )


@pytest.mark.parametrize("curve", CURVES)
def test_descend_overflows_without_an_exception(curve):
    xs = descend(curve, 100.0, 100.0, 10.0, 500)
    assert len(xs) == 501 and not any(math.isnan(x) for x in xs)


@pytest.mark.parametrize(
    "name, value",
    [
        ("lr", 0),
        ("lr", -1.0),
        ("lr", math.nan),
        ("lr", math.inf),
        ("lr", "0.1"),
        ("lr", True),
        ("lr", None),
        ("steps", 2.5),
        ("steps", 0),
        ("curve", "cubic"),
        ("curve", 3),
        ("lang", "fr"),
        ("start", 1e9),
        ("curvature", [1]),
    ],
)
def test_a_wrong_value_is_refused_and_the_old_one_stays(name, value):
    s = Stride()
    old = getattr(s, name)
    with pytest.raises(ValueError, match=name) as refusal:
        setattr(s, name, value)
    assert repr(value) in str(refusal.value) and "allowed is" in str(refusal.value)
    assert getattr(s, name) == old
    with pytest.raises(traitlets.TraitError):
        Stride(**{name: value})


def test_an_unknown_control_is_named():
    with pytest.raises(TypeError, match="rate.*curvature, curve"):
        Stride(rate=0.1)


def test_a_refusal_speaks_the_widgets_language():
    s = Stride(lang="ja")
    with pytest.raises(ValueError, match="使えません"):
        s.lr = -1


def test_the_page_writes_controls_and_python_hears(page):
    s, heard = Stride(curvature=4.0), []
    s.observe(lambda change: heard.append(change["new"]), "lr")
    s.observe(lambda change: heard.append(change["new"]), "verdict")
    page(s).set(lr=0.51)
    assert set(heard) == {0.51, "diverging"}
    page(s).set(steps=7)
    assert s.steps == 7 and len(s.path) == 8


def test_python_writes_controls_and_the_page_hears(page):
    s = Stride()
    s.lr, s.curve, s.steps = 0.3, "dent", 9
    assert (page(s).states("lr"), page(s).states("curve"), page(s).states("steps")) == ([0.3], ["dent"], [9])


def test_a_refused_value_of_the_page_is_shown_and_taken_back(page):
    s = Stride(lr=0.2)
    page(s).set(lr=-3)
    assert s.lr == 0.2 and "lr = -3" in s.error
    assert page(s).states("lr")[-1] == 0.2
    page(s).set(lr=0.3)
    assert s.lr == 0.3 and s.error == ""


def test_link_joins_a_plain_slider_in_both_directions(page):
    s, slider = Stride(), ipywidgets.FloatLogSlider(value=0.1, min=-3, max=1)
    ipywidgets.link((slider, "value"), (s, "lr"))
    slider.value = 0.25
    assert s.lr == 0.25
    page(s).set(lr=0.5)
    assert slider.value == 0.5


def test_jslink_accepts_every_scalar_control():
    s = Stride()
    for name, slider in (
        ("lr", ipywidgets.FloatSlider()),
        ("curvature", ipywidgets.FloatSlider()),
        ("start", ipywidgets.FloatSlider()),
        ("steps", ipywidgets.IntSlider(value=3)),
    ):
        link = ipywidgets.jslink((slider, "value"), (s, name))
        assert link.source == (slider, "value") and link.target == (s, name)


def test_repr_is_the_same_for_every_widget_and_localised():
    assert repr(Stride()) == repr(Stride(lr=1.0)) == "[interactive figure: run this cell to start it]"
    strings.set_language("ja")
    try:
        assert Stride().lang == "ja" and "セル" in repr(Stride())
    finally:
        strings.set_language("en")


def test_storm_of_a_thousand_events_ends_in_the_right_verdict(page, dice):
    s = Stride()
    wild = {
        "lr": (0.1, 0.5, -1, 1e9, "x", None, 3.0),
        "curvature": (1, 4.0, 0, [], 9.5),
        "start": (2, -3.0, {}, 1e30),
        "steps": (1, 40, 2.5, -4),
        "curve": (*CURVES, "no", 1),
        "verdict": VERDICTS[:1],
    }
    for _ in range(1000):
        name = dice.choice(list(wild))
        if name == "verdict":
            page(s).junk(dice.choice([None, {}, {"do": "dance"}, 3]))
        elif dice.random() < 0.5:
            page(s).set(**{name: dice.choice(wild[name])})
        else:
            try:
                setattr(s, name, dice.choice(wild[name]))
            except traitlets.TraitError:
                pass
    page(s).set(lr=0.4, curvature=4.0, curve="quadratic", start=1.0, steps=3)
    assert (s.verdict, s.error, len(s.path)) == ("alternating", "", 4)


def test_page_and_python_compute_the_same(need):
    need("node")
    cases = [
        (curve, c, lr, start)
        for curve in CURVES
        for c in (0.5, 4.0)
        for lr in (0.01, 0.1, 0.24, 0.3, 0.5, 0.9, 1.2, 2.4, 9.0)
        for start in (-5.0, -2.0, 0.7, 3.0)
    ]
    code = (
        "import {curve,descend,judge} from './core/curves.js'; const out=[]; for (const [n,c,lr,s] of JSON.parse(process.argv[1])) {"
        " const k=curve(n,c); out.push([judge(n,k,lr,s).verdict, descend(k,lr,s,12)]); } console.log(JSON.stringify(out));"
    )
    done = subprocess.run(
        ["node", "--input-type=module", "-e", code, json.dumps(cases)],
        cwd=JS,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    for case, (verdict, xs) in zip(cases, json.loads(done.stdout), strict=True):
        assert judge(*case) == verdict, case
        mine = descend(*case, 12)
        for a, b in zip(mine, xs, strict=True):
            assert (b is None and math.isinf(a)) or a == pytest.approx(b, rel=1e-6, abs=1e-9), case
