"""Figures show the numbers they were given, speak the caller's language and leave pyplot alone."""

import builtins
import io
import sys
from types import SimpleNamespace as Some

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from lrlib import SUGGESTION_RULES, Record, attach, cosine, find, hold, plot, range_test, tasks, warmup


def lines(figure):
    return figure.axes[0].lines


def draw(figure):
    figure.savefig(io.BytesIO(), format="png", dpi=40)
    return figure


def record(evaluated=True):
    """Rates 0.1, 1 and 10 × two seeds; one run at 1 and both at 10 diverged."""
    status = np.array(["finished", "finished", "finished", "diverged", "diverged", "diverged"])
    loss = np.linspace(2, 1, 40) * np.array([1.0, 1.2, 0.5, 1, 1, 1])[:, None]
    loss[3:, 20:] = np.nan
    lr0 = np.array([0.1, 0.1, 1, 1, 10, 10])
    metric = np.array([[0.5, 0.6], [0.5, 0.8], [0.6, 0.9], [0.6, np.nan], [np.nan] * 2, [np.nan] * 2])
    evaluations = {"step": np.array([20, 40]), "test_metric": metric, "train_loss": 1 - metric}
    evaluations["valid_loss"] = 2 - metric
    lr = np.where(np.isnan(loss), np.nan, lr0[:, None])
    return Record(lr0, np.array([0, 1] * 3), status, np.arange(40), loss, lr, evaluations if evaluated else {})


def stepped(plan, steps, lr=0.5):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    attachment = attach(optimizer, plan)
    for _ in range(steps):
        optimizer.step()
    return attachment


def test_a_plan_is_drawn_as_it_is_including_the_value_that_it_holds():
    shape = warmup(10) >> cosine(30)
    figure = draw(plot.plan(shape, base=0.2, color="C3", label="x"))
    (line,) = lines(figure)
    np.testing.assert_allclose(line.get_ydata(), 0.2 * shape(np.arange(41)))
    assert line.get_color() == "C3" and type(figure) is Figure
    assert len(lines(plot.plan(np.cos, steps=7))[0].get_ydata()) == 7
    with pytest.raises(ValueError, match="steps=None"):
        plot.plan(np.cos)
    for kind, wrong, match in (
        (ValueError, {"steps": 0}, "steps must be a whole number of at least 1; got 0"),
        (TypeError, {"steps": 2.5}, "steps must be a whole"),
        (TypeError, {"steps": "all"}, "steps must be a whole"),
        (TypeError, {"base": "0.1"}, "base must be a finite number"),
        (ValueError, {"base": -1}, "base must be"),
        (TypeError, {"momentum": 0.9}, "momentum must be a Plan or a function"),
        (TypeError, {"ax": 3}, "ax must be axes"),
    ):
        with pytest.raises(kind, match=match):
            shape.plot(**wrong)
    with pytest.raises(TypeError, match="plan must be a Plan or a function of the step; got 3"):
        plot.plan(3)
    with pytest.raises(
        TypeError, match="plan must be a Plan or a function of the step; got cosine, which makes a Plan"
    ):
        plot.plan(cosine)
    with pytest.raises(TypeError, match="what plan gives must be numbers; got "):
        plot.plan(lambda t: ["0.5"] * len(t), steps=3)


def test_plans_plot_themselves():
    assert len(lines(cosine(12).plot())[0].get_ydata()) >= 12


def test_applied_dots_lie_on_the_planned_line():
    planned, dots = lines(draw(plot.applied(stepped(cosine(30), 30))))
    assert dots.get_linestyle() == "None" and planned.get_linewidth() < 1
    np.testing.assert_allclose(dots.get_ydata(), planned.get_ydata())
    np.testing.assert_allclose(dots.get_ydata(), 0.5 * cosine(30)(np.arange(30)))
    assert planned.get_color() == dots.get_color()


def test_another_plan_can_be_held_against_an_attachment():
    planned, dots = lines(plot.applied(stepped(cosine(30), 30), hold(1)))
    np.testing.assert_allclose(planned.get_ydata(), 0.5)
    np.testing.assert_allclose(dots.get_ydata(), 0.5 * cosine(30)(np.arange(30)))


def test_no_deviation_is_thinned_away():
    rates = np.ones((1, 3000))
    rates[0, 1234] = 0.9
    run = Some(lr0=np.array([1.0]), lr=rates, step=np.arange(3000))
    _, dots = lines(plot.applied(run, hold(1)))
    assert 0.9 in dots.get_ydata() and len(dots.get_xdata()) < 200
    grouped = Some(lr0=np.array([1.0]), lr=np.stack([rates, 0.1 * rates], axis=-1), step=np.arange(3000))
    assert max(lines(plot.applied(grouped, group=1))[0].get_ydata()) == pytest.approx(0.1)


def test_applied_of_a_record_stops_where_the_run_did():
    planned, dots = lines(plot.applied(record(), hold(1), lane=3))
    assert len(planned.get_xdata()) == 20 and set(dots.get_ydata()) == {1.0}
    with pytest.raises(TypeError, match="source=int"):
        plot.applied(3)
    with pytest.raises(ValueError, match="no step"):
        plot.applied(stepped(cosine(3), 0))


def test_losses_are_means_over_seeds_in_the_line_style_of_their_set():
    figure = draw(plot.losses(record()))
    assert len(lines(figure)) == 3 + 3 and figure.axes[0].get_yscale() == "log"
    ended = [line for line in lines(figure) if line.get_marker() == "x"]
    assert [line.get_xdata()[-1] for line in ended] == [19, 19, 19]
    np.testing.assert_allclose(lines(figure)[0].get_ydata(), np.linspace(2, 1, 40) * 1.1)
    figure = draw(plot.losses(record(), names=("train_loss", "valid_loss"), colors=["r", "g", "b"], log=False))
    styles = [(line.get_color(), line.get_linestyle()) for line in lines(figure) if line.get_marker() != "x"]
    assert styles == [("r", "-"), ("g", "-"), ("b", "-"), ("r", "--"), ("g", "--"), ("b", "--")]
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["0.1", "1", "10"]
    smooth = lines(plot.losses(record(), smooth=0.9))[0].get_ydata()
    assert smooth[0] == pytest.approx(2.2) and smooth[-1] > 1.1
    with pytest.raises(ValueError, match="'wrong' was not evaluated.*test_metric"):
        plot.losses(record(), names=("wrong",))


def test_a_band_is_the_interval_of_the_record():
    figure = plot.losses(record(), names=("test_metric",))
    summary = record().summary("test_metric")
    heights = figure.axes[0].collections[0].get_paths()[0].vertices[:, 1]
    assert heights.max() == pytest.approx(summary["high"][0]) and heights.min() <= summary["low"][0] + 1e-9


def test_the_rate_curve_shows_survivors_and_marks_the_rest():
    figure = draw(plot.rate_curve(record(), ylabel="Genauigkeit", xlabel="Lernrate", diverged="divergiert"))
    axes = figure.axes[0]
    np.testing.assert_allclose(lines(figure)[0].get_ydata(), [0.7, 0.9, np.nan])
    crosses = [c for c in axes.collections if c.get_label() == "divergiert"]
    assert crosses[0].get_offsets()[:, 0].tolist() == [1, 10]
    small, large = crosses[0].get_sizes()
    assert axes.get_xlim()[0] < 0.1 and axes.get_xlim()[1] > 10
    assert small < large and axes.get_xscale() == "log" and axes.get_yscale() == "linear"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Lernrate", "Genauigkeit")
    batch = plot.rate_curve(record(), "loss")
    expected = (np.linspace(2, 1, 40) * 1.1)[-4:].mean()
    assert lines(batch)[0].get_ydata()[0] == pytest.approx(expected) and batch.axes[0].get_yscale() == "log"
    with pytest.raises(ValueError, match="only nothing"):
        plot.rate_curve(record(evaluated=False))


def test_range_tests_mark_every_suggestion():
    x = torch.linspace(-1, 1, 32)[:, None]
    model = torch.nn.Linear(1, 1)
    test = range_test(model, torch.optim.SGD(model.parameters(), 0.1), [(x, 3 * x)], torch.nn.functional.mse_loss)
    figure = draw(test.plot())
    marked = {line.get_label(): line.get_xdata()[0] for line in lines(figure) if line.get_label() in SUGGESTION_RULES}
    assert marked == pytest.approx(test.suggestions())
    np.testing.assert_allclose(lines(figure)[0].get_ydata(), test.smoothed)
    figure = plot.range_test(test, rules=("valley",), labels={"valley": "谷"})
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["谷"]
    with pytest.raises(ValueError, match="rule='best'"):
        plot.range_test(test, rules=("best",))


def test_findings_show_intervals():
    finding = find(tasks.double_well(noise=1.0), seeds=3, low=1e-3, high=100.0, steps=40)
    figure = draw(plot.range_test(finding, rules=("steepest",)))
    (band,) = figure.axes[0].patches
    box = band.get_bbox() if hasattr(band, "get_bbox") else band.get_path().get_extents()
    assert (box.x0, box.x1) == pytest.approx(finding.interval("steepest"))


def test_axes_of_the_callers_are_used():
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert plot.plan(cosine(5), ax=left) is figure is plot.rate_curve(record(), ax=right)
    assert left.lines and right.lines


def test_pyplot_stays_out_and_a_missing_matplotlib_is_explained(monkeypatch):
    if "matplotlib.pyplot" in sys.modules:
        import matplotlib.pyplot as plt

        before = plt.get_fignums()
        plot.plan(cosine(5))
        assert plt.get_fignums() == before
    original = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        plot.plan(cosine(5))
