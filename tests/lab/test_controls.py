"""The teacher's page in JupyterLab: its controls move our widgets, and ours move them."""

import pathlib
import re
import shutil

from playwright.sync_api import expect

BOOK = pathlib.Path(__file__).parents[2] / "book"
WORDS = {
    "en": ("rate", "leaves", "walks down", "warm-up", "Train"),
    "ja": ("学習率", "出ていく", "片側から近づく", "上り", "学習する"),
}


def handle(page, name):
    """The handle of a slider of ipywidgets, found by its label."""
    label = page.locator(".widget-label", has_text=re.compile(f"^{name}$"))
    return page.locator(".widget-inline-hbox", has=label).locator(".noUi-handle")


def press(slider, key, times):
    slider.scroll_into_view_if_needed()
    slider.focus()
    for _ in range(times):
        slider.press(key)


def rate_of(widget):
    return widget.get_by_role("slider").first


def test_the_page_runs_and_its_controls_work(open_notebook, server, lang="en"):
    """In English only: the editions have the same code, and a test of parity says so."""
    rate, leaves, walks, warm, train = WORDS[lang]
    shutil.copy(BOOK / lang / "controls.ipynb", server.folder / f"controls_{lang}.ipynb")
    notebook = open_notebook(f"controls_{lang}.ipynb")
    page = notebook.page
    notebook.run_all()
    assert [o for outputs in notebook.outputs() for o in outputs if o["output_type"] == "error"] == []

    stride = page.locator(".lrw[data-kind=stride]")
    expect(stride).to_have_attribute("data-verdict", "monotone")
    press(handle(page, rate), "ArrowRight", 15)  # 0.1 · 10^0.75 = 0.562, beyond 2/4
    expect(stride).to_have_attribute("data-verdict", "diverging")
    expect(stride.get_by_role("spinbutton").first).to_have_value(re.compile(r"^0\.562"))
    diary = page.locator(".widget-html-content", has_text="η")
    expect(diary).to_contain_text(leaves, timeout=20_000)
    assert walks not in diary.inner_text()
    press(rate_of(stride), "Home", 1)  # and back, from our widget to the plain slider
    expect(diary).to_contain_text(walks, timeout=20_000)
    expect(handle(page, rate)).to_have_attribute("aria-valuenow", "-3.0")  # the power of ten

    picture = page.locator(".jp-OutputArea-child img").first
    before = picture.get_attribute("src")
    press(handle(page, warm), "ArrowRight", 3)
    expect(picture).not_to_have_attribute("src", before, timeout=20_000)

    page.get_by_role("button", name=train, exact=True).click()
    expect(page.locator(".jp-OutputArea-child", has_text="finished").last).to_be_visible(timeout=40_000)
