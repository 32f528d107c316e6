"""The widgets with a real kernel and a real front end."""

import re
import time

import pytest
from playwright.sync_api import expect

CELLS = [
    # 0: everything that is shown
    "from lrwidgets import Stride, TrainingLab\nimport ipywidgets\nlab = TrainingLab(steps=60, lr=0.05)\nlab",
    # 1: a long run
    "lab.steps = 20000",
    # 2: a busy cell
    "import time; time.sleep(7)",
    # 3: a run that fails
    "def broken():\n    def make():\n        yield from ()\n        raise RuntimeError('no such loss')\n    return make\nlab.job = broken",
    # 4: a linked pair and a linked plain slider
    "a, b = Stride(curvature=4.0, lr=0.1), Stride(curvature=2.0)\n"
    "rate = ipywidgets.FloatLogSlider(value=0.2, min=-3, max=1, description='plain')\n"
    "links = ipywidgets.jslink((a, 'lr'), (b, 'lr')), ipywidgets.jslink((rate, 'value'), (a, 'steps'))\n"
    "ipywidgets.VBox([a, b])",
    # 5: what Python knows
    "print(round(a.lr, 3), a.verdict, round(b.lr, 3), b.verdict)",
    # 6: Python writes
    "a.lr = 0.51",
    # 7: no thread stays
    "from lrwidgets.job import job_threads; print(job_threads(), lab.status, lab.step)",
    # 8: refused
    "lab.steps = 60\nlab.lr = -1",
]


@pytest.fixture(scope="module")
def opened(server, lab_page):
    """One notebook and one kernel for the tests of this file: a kernel's start and its imports take seconds."""
    yield lab_page.open(server.notebook("widgets.ipynb", CELLS))
    lab_page.close()


@pytest.fixture
def notebook(opened, lab_page):
    """The notebook without outputs, and with new widgets."""
    opened.clear()
    expect(opened.page.locator(".lrw")).to_have_count(0)
    opened.run(0)
    yield opened
    lab_page.check()


def lab(page):
    return page.locator(".lrw[data-kind=training_lab]")


def press(page, label):
    lab(page).get_by_role("button", name=label, exact=True).click()


def expect_status(page, status, seconds=40):
    expect(lab(page)).to_have_attribute("data-status", status, timeout=1000 * seconds)


def test_training_from_run_to_stop_beside_a_busy_cell(notebook):
    page = notebook.page
    expect(lab(page)).to_have_attribute("data-life", "live")
    press(page, "Run")
    expect_status(page, "done")
    expect(lab(page).get_by_role("status")).to_contain_text("After 60 steps")
    expect(lab(page).locator("canvas")).to_have_attribute("aria-label", re.compile("60 steps"))

    notebook.run(1)
    press(page, "Run")
    expect_status(page, "running")
    press(page, "Pause")
    expect_status(page, "paused")
    press(page, "Resume")
    expect_status(page, "running")
    page.wait_for_timeout(1500)  # the thread's messages now answer the page, not the cell
    notebook.run(2)
    page.wait_for_timeout(700)
    began = time.monotonic()
    press(page, "Stop")
    expect_status(page, "stopped", 15)
    assert time.monotonic() - began < 4, "Stop waited for the busy cell"

    notebook.run(7)
    assert notebook.text(7).startswith("[] stopped")
    notebook.run(3)
    press(page, "Run")
    expect_status(page, "failed")
    expect(lab(page).get_by_role("alert")).to_contain_text("no such loss")


def test_keyboard_and_links_move_the_rate_in_both_directions(notebook):
    page = notebook.page
    notebook.run(4)
    pair = page.locator(".lrw[data-kind=stride]")
    expect(pair).to_have_count(2)
    slider = pair.nth(0).get_by_role("slider", name="Learning rate")
    box = pair.nth(1).get_by_role("spinbutton", name="Learning rate")
    slider.focus()
    for _ in range(5):
        slider.press("ArrowRight")
    expect(box).to_have_value("0.112")
    expect(pair.nth(0).get_by_role("spinbutton", name="Learning rate")).to_have_value("0.112")
    notebook.run_until(5, "0.112 monotone 0.112 monotone")
    notebook.run(6)
    expect(pair.nth(0)).to_have_attribute("data-verdict", "diverging")
    expect(pair.nth(1)).to_have_attribute("data-verdict", "alternating")
    expect(box).to_have_value("0.51")


def test_a_rate_moves_a_run_and_a_wrong_one_is_refused(notebook):
    page = notebook.page
    notebook.run(1)
    expect(lab(page)).to_have_attribute("data-life", "live")
    press(page, "Run")
    expect_status(page, "running")
    slider = lab(page).get_by_role("slider", name="Learning rate")
    slider.focus()
    slider.press("End")
    expect(lab(page).get_by_role("status")).to_contain_text(re.compile("the rate 10|too large"), timeout=15_000)
    press(page, "Reset")
    expect_status(page, "idle")
    notebook.run(8)
    page.wait_for_function("() => window.jupyterapp.shell.currentWidget.content.widgets[8].model.outputs.length")
    assert "allowed is a number from 1e-06 to 100" in str(notebook.outputs()[8])
