"""Figures on both pages, judged by their pixels; fonts, bytes and alternative texts."""

import base64
import io
import itertools
import warnings

import numpy as np
import pytest
from PIL import Image

import lrbook
from lrbook import figures

METHODS = [name for name in figures.COLORS if name not in ("accent", "neutral")]
WORDS = "学習率 η（対数軸）と損失、ー〜「飛び越え」"


def luminance(pixels):
    """Relative luminance of an array of 0–255 colours."""
    c = pixels[..., :3] / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def on_page(png, page):
    """The pixels of a PNG laid on a page colour."""
    image = Image.open(io.BytesIO(png)).convert("RGBA")
    sheet = Image.new("RGBA", image.size, page)
    sheet.alpha_composite(image)
    return np.asarray(sheet)


def ratio(a, b):
    return (np.maximum(a, b) + 0.05) / (np.minimum(a, b) + 0.05)


@pytest.mark.parametrize("page", figures.PAGES.values(), ids=figures.PAGES)
@pytest.mark.parametrize("method", figures.COLORS)
def test_colours_reach_three_to_one_on_both_pages(method, page):
    assert figures.contrast(figures.COLORS[method], page) >= 3


def test_methods_differ_by_grey_or_by_line_and_all_by_marker():
    """Without colour a reader still tells two methods apart."""
    assert len({str(figures.LINES[m]) for m in METHODS}) == len(METHODS)
    assert len({figures.MARKERS[m] for m in METHODS}) == len(METHODS)
    assert len(set(figures.COLORS.values())) == len(figures.COLORS)
    for a, b in itertools.combinations(METHODS, 2):
        grey = figures.contrast(figures.COLORS[a], figures.COLORS[b])
        assert grey >= 1.2 or figures.LINES[a] != figures.LINES[b]


@pytest.mark.parametrize("page", figures.PAGES.values(), ids=figures.PAGES)
@pytest.mark.parametrize("method", figures.COLORS)
def test_pixels_of_a_line(method, page):
    fig, ax = lrbook.panel()
    ax.set_axis_off()
    ax.plot([0, 1], [0.5, 0.5], color=lrbook.COLORS[method], linewidth=1.8)
    pixels = luminance(on_page(figures.png(fig), page))
    seen = ratio(pixels, pixels[0, 0])
    rows = seen.max(axis=1)
    assert rows.max() >= 3 and (rows >= 3).sum() >= 2, "the core of the line, at least a CSS pixel wide"


@pytest.mark.parametrize("page", figures.PAGES.values(), ids=figures.PAGES)
@pytest.mark.parametrize("color", [figures.TEXT, *figures.COLORS.values()])
def test_pixels_of_letters(color, page):
    """Letters against the brightest within 5 pixels of them: the page on white, their halo on dark."""
    lrbook.start("en")
    fig, ax = lrbook.panel()
    ax.set_axis_off()
    ax.text(0.1, 0.5, "Hl 学習", color=color)
    png = figures.png(fig)
    ink = luminance(on_page(png, "#ffffff"))
    core = ratio(ink, 1.0) >= 5
    assert core.sum() > 100, "letters are there"
    seen = luminance(on_page(png, page))
    around = np.stack([np.roll(seen, shift, axis) for axis in (0, 1) for shift in range(-5, 6)])
    strength = ratio(seen[core], around.max(axis=0)[core])
    assert np.median(strength) >= 4.5 and (strength >= 4.5).mean() > 0.9


def test_halo_is_invisible_on_white():
    fig, ax = lrbook.panel()
    ax.set_axis_off()
    ax.text(0.1, 0.5, "Hl")
    dark = on_page(figures.png(fig), "#121212")
    white = on_page(figures.png(fig), "#ffffff")
    halo = (dark[..., 0] > 200) & (white[..., 0] > 250)
    assert halo.sum() > 100, "white on dark, unseen on white"


def test_png_is_transparent_and_repeatable():
    def draw():
        fig, (left, right) = lrbook.panel(ncols=2)
        left.plot([0, 1, 2], [1, 0.5, 0.2], **lrbook.style("adam"), label="Adam")
        left.set_xlabel(WORDS)
        left.legend()
        right.plot([0, 1], [1, 0], **lrbook.planned())
        right.plot([0, 1], [1, 0], **lrbook.applied())
        lrbook.label(right, 0.5, 0.5, "計画", "accent")
        return figures.png(fig)

    first = draw()
    assert first == draw()
    image = Image.open(io.BytesIO(first))
    assert image.size == (960, 540) and not image.info.get("Software")
    alpha = np.asarray(image.convert("RGBA"))[..., 3]
    assert alpha[0, 0] == 0 and (alpha == 0).mean() > 0.5
    assert len(first) < 80_000


def test_a_short_log_axis_has_round_ticks_that_do_not_collide():
    fig, axes = lrbook.panel(ncols=2)
    axes[0].plot([0.2, 4], [1, 0], **lrbook.style("sgd"))
    axes[1].plot([0.001, 4], [1, 0], **lrbook.style("sgd"))
    for ax in axes:
        ax.set_xscale("log")
    figures.png(fig)
    short, long = (
        [text.get_text() for text in ax.xaxis.get_ticklabels(which="both") if text.get_text()] for ax in axes
    )
    assert [text for text in short if 0.2 <= float(text) <= 4] == ["0.2", "0.5", "1", "2"]
    assert all("10^" in text for text in long), "several powers of ten keep their powers"
    boxes = [text.get_window_extent() for text in axes[0].xaxis.get_ticklabels() if text.get_text()]
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))


def test_japanese_has_its_glyphs():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fig, ax = lrbook.panel()
        ax.set(xlabel=WORDS, title="更新 Δw = −η ∂E/∂w")
        ax.set_yscale("log")
        ax.plot([1, 2], [1e-3, 1], label="減衰")
        ax.legend()
        figures.png(fig)


def test_pale_lines_are_refused_before_drawing():
    fig, ax = lrbook.panel()
    ax.plot([0, 1], [0, 1], color="#e0e0e0")
    with pytest.raises(ValueError, match="#e0e0e0 has contrast 1.3 on the light page"):
        figures.png(fig)
    fig, ax = lrbook.panel()
    ax.axhline(0.5, color="#222222")
    with pytest.raises(ValueError, match="on the dark page"):
        figures.png(fig)


def test_show_emits_picture_and_words(monkeypatch):
    import IPython.display

    calls = []
    monkeypatch.setattr(IPython.display, "display", lambda data, **options: calls.append((data, options)))
    fig, ax = lrbook.panel()
    ax.plot([0, 1], [0, 1], **lrbook.style("sgd"))
    lrbook.show(fig, alt="A line\n  that rises.")
    (data, options) = calls[0]
    assert base64.b64decode(data["image/png"]) == figures.png(fig)
    assert data["text/plain"] == "A line that rises."
    assert options == {
        "metadata": {"image/png": {"alt": "A line that rises.", "width": 640, "height": 360}},
        "raw": True,
    }
    for nothing in ("", " ", None):
        with pytest.raises(ValueError, match="alt must be"):
            lrbook.show(fig, alt=nothing)
    assert len(calls) == 1


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="ncols must be 1 or 2, not 3"):
        lrbook.panel(ncols=3)
    with pytest.raises(ValueError, match="not 'sdg'"):
        lrbook.style("sdg")
    with pytest.raises(ValueError, match="book/strings.csv, not 'axis.nothing'"):
        lrbook.t("axis.nothing")


def test_labels_in_a_method_s_colour_are_dark_enough():
    for color in figures.COLORS.values():
        assert figures.contrast(figures.ink(color), "#ffffff") >= 4.5
    assert figures.ink(figures.TEXT) == figures.TEXT
