"""The static host in Chromium, from file://: a plain page with stored widget state, no kernel, no network."""

import base64
import json
import os
import pathlib
import re
import shutil
import time

import numpy as np
import pytest

import lrwidgets
from lrwidgets import (
    CostLedger,
    EdgeOfStability,
    LandscapeWalk,
    RegimeExplorer,
    SharedRate,
    Stride,
    SweepLab,
    TrainingLab,
    shared_rate,
)
from lrwidgets.base import STATIC

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"


def every():
    """One widget of each kind."""
    return [getattr(lrwidgets, name)() for name in lrwidgets.__all__]


def stored(widget):
    """What nbclient would keep of a widget, without the kit's code."""
    state = {
        k: v
        for k, v in widget.get_state().items()
        if not k.startswith("_") and k not in ("layout", "snapshot", "tabbable", "tooltip")
    }
    raw = bytes(widget.get_state().get("snapshot", b""))
    buffers = [{"path": ["snapshot"], "encoding": "base64", "data": base64.b64encode(raw).decode()}] if raw else []
    return {
        "model_name": "AnyModel",
        "model_module": "anywidget",
        "state": json.loads(json.dumps(state)),
        "buffers": buffers,
    }


def document(entries, shown, lang="en", theme="light"):
    states = json.dumps({"version_major": 2, "version_minor": 0, "state": entries})
    views = "".join(f'<script type="{VIEW}">{json.dumps({"model_id": key})}</script>' for key in shown)
    return (
        f'<!doctype html><html lang="{lang}" data-theme="{theme}"><head><meta charset="utf-8"><title>t</title>'
        f'<link rel="stylesheet" href="{(STATIC / "kit.css").as_uri()}">'
        f'<script defer src="{(STATIC / "page.js").as_uri()}"></script></head><body><main><h1>t</h1>'
        f'<script type="{STATE}">{states}</script>{views}</main></body></html>'
    )


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not path:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def show(browser, tmp_path):
    """Open a page with these widgets; afterwards nothing may have failed and only files may have been asked for."""
    opened = []

    def show_these(entries, shown=None, lang="en", theme="light", width=800, **settings):
        entries = entries if isinstance(entries, dict) else {f"id{i}": stored(w) for i, w in enumerate(entries)}
        path = tmp_path / "page.html"
        path.write_text(document(entries, shown or list(entries), lang, theme), encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": 900}, **settings)
        page, faults, asked = context.new_page(), [], []
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: message.type == "error" and faults.append(message.text))
        page.on("request", lambda request: asked.append(request.url))
        opened.append((context, faults, asked))
        page.goto(path.as_uri())
        page.locator(".lrw canvas").first.wait_for()
        return page

    yield show_these
    for context, faults, asked in opened:
        context.close()
        assert faults == []
        assert [url for url in asked if not url.startswith("file:")] == []


def has_rows(page, n):
    """The table of numbers, which is filled once its summary has opened it."""
    from playwright.sync_api import expect

    expect(page.locator("table tbody tr")).to_have_count(n, timeout=30_000)


def says(page, text, index=0):
    from playwright.sync_api import expect

    expect(page.locator(".lrw").nth(index).get_by_role("status")).to_contain_text(text, timeout=30_000)


def ink(page, index=0):
    """How many pixels of a widget's canvas are drawn."""
    return page.evaluate(
        "i => { const c = document.querySelectorAll('.lrw canvas')[i], d = c.getContext('2d')"
        ".getImageData(0, 0, c.width, c.height).data; let n = 0; for (let k = 3; k < d.length; k += 4)"
        " n += d[k] > 0; return n; }",
        index,
    )


def changed(page, read, before):
    """What ``read(page)`` gives as soon as that is not ``before`` any more."""
    until = time.monotonic() + 30
    while (now := read(page)) == before:
        assert time.monotonic() < until, f"nothing changed in half a minute: {before!r}"
        page.wait_for_timeout(20)
    return now


def label(page):
    return page.locator("canvas").get_attribute("aria-label")


def test_stride_reacts_to_every_control(show):
    page = show([Stride(curvature=4.0, lr=0.4)])
    says(page, "jumps across the bottom and lands nearer")
    assert ink(page) > 3000
    rate = page.get_by_role("spinbutton", name="Learning rate")
    rate.fill("0.51")
    rate.press("Enter")
    says(page, "farther out")
    page.get_by_role("spinbutton", name="Curvature").fill("1")
    page.get_by_role("spinbutton", name="Curvature").press("Enter")
    says(page, "without jumping")
    page.get_by_role("combobox", name="Curve").select_option("dent")
    says(page, "comes to rest")
    label = page.locator("canvas").get_attribute("aria-label")
    assert re.search("20 steps of gradient descent", label) and "Verdict" in label
    page.locator("summary").click()
    has_rows(page, 21)


def test_the_slider_stops_at_the_limit_by_keyboard(show):
    page = show([Stride(curvature=4.0, lr=0.45)])
    slider = page.get_by_role("slider", name="Learning rate")
    slider.focus()
    seen = set()
    for _ in range(8):
        slider.press("ArrowRight")
        seen.add(page.locator(".lrw").get_attribute("data-verdict"))
    assert seen == {"alternating", "periodic", "diverging"}
    assert slider.get_attribute("data-lm-suppress-shortcuts") == "true"


def test_every_control_is_labelled_and_leaves_arrow_keys_alone(show):
    page = show(every())
    page.locator("[data-kind=sweep_lab]").scroll_into_view_if_needed()
    page.wait_for_selector("[data-kind=sweep_lab][data-life=recorded]")
    bare = page.evaluate(
        "() => [...document.querySelectorAll('.lrw input, .lrw select, .lrw button, .lrw summary')]"
        ".filter(e => e.dataset.lmSuppressShortcuts !== 'true' || !((e.labels && e.labels.length)"
        " || e.getAttribute('aria-label') || e.textContent.trim())).map(e => e.outerHTML)"
    )
    assert bare == []


def test_recorded_runs_play_and_leave_a_ghost(show):
    page = show([TrainingLab(lr=0.1)], reduced_motion="reduce")
    page.wait_for_selector("[data-life=recorded]")
    says(page, "Recorded at rate 0.1")
    page.get_by_role("slider", name="Learning rate").press("End")
    says(page, "Recorded at rate 3")
    before = ink(page)
    page.get_by_role("button", name="Reset").click()
    assert changed(page, ink, before) < before, "the ghost is gone"
    page.get_by_role("combobox", name="Optimizer").select_option("adam")
    says(page, "Recorded at rate 0.1")
    page.get_by_role("button", name="Run").click()
    says(page, "After 400 steps")


@pytest.mark.parametrize("make", [TrainingLab, SweepLab])
def test_reset_forgets_the_runs_and_keeps_the_settings(show, make, word="adam"):
    page = show([make()], reduced_motion="reduce")
    page.wait_for_selector("[data-life=recorded]")
    without = ink(page)
    page.get_by_role("combobox", name="Optimizer").select_option(word)
    with_ghost = changed(page, ink, without)
    page.get_by_role("button", name="Reset", exact=True).click()
    changed(page, ink, with_ghost)  # the ghost is gone, and the axes fit what is left
    assert page.get_by_role("combobox", name="Optimizer").input_value() == word
    assert "settings stay" in page.get_by_role("button", name="Reset", exact=True).get_attribute("title")


def test_playing_can_be_paused_and_stopped(show):
    page = show([TrainingLab(lr=0.1)])
    page.wait_for_selector("[data-life=recorded]")
    page.get_by_role("button", name="Run").click()
    page.wait_for_selector("[data-status=running]")
    page.get_by_role("button", name="Pause").click()
    page.wait_for_selector("[data-status=paused]")
    page.get_by_role("button", name="Resume").click()
    page.wait_for_selector("[data-status=done]")


def test_the_edge_trains_in_the_page_and_its_rate_moves_in_mid_run(show):
    page = show([EdgeOfStability(units=10, steps=20_000)])
    says(page, "Recorded at rate 0.05")
    assert page.locator(".lrw").get_attribute("data-verdict") == "on"
    page.get_by_role("button", name="Run").click()
    page.wait_for_selector("[data-status=running]")
    says(page, "2/rate is 40")
    rate = page.get_by_role("slider", name="Learning rate")
    rate.focus()
    rate.press("End")
    says(page, "the loss left at rate 0.5")
    page.wait_for_selector("[data-status=done][data-verdict=gone]")
    rate.press("Home")
    page.get_by_role("button", name="Run").click()
    page.wait_for_selector("[data-status=running][data-verdict=below]")
    page.get_by_role("button", name="Pause").click()
    page.wait_for_selector("[data-status=paused]")
    page.get_by_role("button", name="Resume").click()
    page.wait_for_selector("[data-status=running]")
    page.get_by_role("button", name="Stop").click()
    page.wait_for_selector("[data-status=stopped]")
    page.locator("summary").click()
    page.wait_for_selector("table tbody tr", state="attached")
    page.get_by_role("button", name="Reset").click()
    says(page, "Recorded at rate 0.01")


def test_the_regimes_are_walked_by_keyboard_and_picked_by_mouse(show):
    page = show([RegimeExplorer()], reduced_motion="reduce")
    page.wait_for_selector("[data-life=recorded]")
    says(page, "Recorded over 80 pairs")
    slider, root, seen = page.get_by_role("slider", name="Pre-training rate"), page.locator(".lrw"), []
    slider.press("Home")
    assert root.get_attribute("data-regime") == "1"
    for _ in range(40):
        seen.append(root.get_attribute("data-regime"))
        slider.press("ArrowRight")
    assert sorted(set(seen)) == list(dict.fromkeys(seen)) and {"1", "3"} <= set(seen), "the regimes follow each other"
    says(page, "regime 3: nothing is learned")
    box = page.locator("canvas").bounding_box()
    page.locator("canvas").click(position={"x": 60, "y": box["height"] * 0.6})
    assert root.get_attribute("data-regime") == "1"
    says(page, "it converges")
    assert "the regimes 1, 2A, 2B and 3" in page.locator("canvas").get_attribute("aria-label")
    page.locator("summary").click()
    has_rows(page, int(slider.get_attribute("max")) + 1)
    page.get_by_role("button", name="Run").click()
    says(page, "it converges")
    assert root.get_attribute("data-status") == "done", "no motion where it is unwelcome"


def test_the_walk_crosses_a_hill_and_finds_flat_land(show):
    page = show([LandscapeWalk()], reduced_motion="reduce")
    page.wait_for_selector("[data-life=recorded][data-barrier=hill]")
    says(page, "A hill: the barrier")
    place, heights = page.get_by_role("slider", name="Place on the way"), []
    page.get_by_role("combobox", name="Height").select_option("error")
    for _ in range(10):
        said = label(page)
        heights.append(float(re.search(r"error ([\d.]+) %", said).group(1)))
        place.press("ArrowRight")
        said = changed(page, label, said)
        place.press("ArrowRight")
        said = changed(page, label, said)
    assert max(heights[1:-1]) > max(heights[0], heights[-1]) + 3, "the walker went over the hill"
    box = page.locator("canvas").bounding_box()
    page.locator("canvas").click(position={"x": box["width"] * 0.6, "y": box["height"] * 0.3})
    assert -0.5 <= float(place.input_value()) < 0.3
    page.get_by_role("slider", name="Pre-training rate").press("Home")
    page.wait_for_selector("[data-barrier=flat]")
    says(page, "No barrier")
    page.get_by_role("button", name="Run").click()
    assert page.locator(".lrw").get_attribute("data-status") == "done"
    page.locator("summary").click()
    has_rows(page, 41)


def test_the_ledger_follows_every_number(show):
    page = show([CostLedger(measured=("gain",))])
    says(page, "It pays for itself after 4 months")
    says(page, "Measured in this book: Gain")
    for name, value, words in (
        ("Extra trainings", "80", "has cost 5,600 more"),
        ("Gain, high", "9", "the numbers do not decide"),
        ("Gain (points)", "0", "It never pays for itself"),
    ):
        box = page.get_by_role("spinbutton", name=name, exact=True)
        box.fill(value)
        box.press("Enter")
        says(page, words)
    assert "Measured" not in page.get_by_role("status").inner_text()
    page.locator("summary").click()
    has_rows(page, 4)


def lost(page):
    """The points that the sentence says are lost where most are; None while it speaks of something else."""
    found = re.search(r"worst setting is .*?: ([\d.]+) points off", page.get_by_role("status").inner_text())
    return float(found.group(1)) if found else None


def test_a_guess_uncovers_the_curves_and_the_shared_rate_is_found_by_keyboard_and_drag(show):
    shared = SharedRate(group="method")
    page = show([shared])
    says(page, "Only the curve for SGD")
    covered, slider = ink(page), page.get_by_role("slider", name="Shared rate")
    assert slider.count() == 0 and "covered" in page.locator("canvas").get_attribute("aria-label")
    page.get_by_role("button", name="Adam", exact=True).click()
    assert "You said: Adam. Measured: SGD" in page.locator(".lrw-ask").inner_text()
    says(page, "the worst setting is")
    assert ink(page) > 1.5 * covered
    before = lost(page)
    slider.press("Home")
    low = changed(page, lost, before)
    for _ in range(shared_rate.common(shared._shown).index(shared.answer)):
        slider.press("ArrowRight")
    page.get_by_role("button", name="Show the answer").click()
    says(page, "That is the rate you chose")
    found = lost(page)
    assert 0 < found < low / 5
    box = page.locator("canvas").bounding_box()
    page.locator("canvas").scroll_into_view_if_needed()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 20, box["y"] + 60)
    page.mouse.up()
    assert slider.input_value() == slider.get_attribute("max") and changed(page, lost, found) > found
    page.locator("summary").click()
    has_rows(page, 5)
    page.get_by_role("combobox", name="What varies").select_option("data")
    says(page, "Only the curve for digits")
    page.get_by_role("button", name="Show without a guess").click()
    assert "Measured: MNIST-1D" in page.locator(".lrw-ask").inner_text()


def test_recorded_sweep_moves_its_threshold_with_the_target(show):
    page = show([SweepLab(optimizer="sgd")])
    page.wait_for_selector("[data-life=recorded]")
    says(page, "The largest rate below a loss of 0.3")
    target = page.get_by_role("spinbutton", name="Converged below")
    target.fill("0.0001")
    target.press("Enter")
    says(page, "No rate is below")
    page.get_by_role("combobox", name="Optimizer").select_option("momentum")
    says(page, "momentum 0.9")
    page.locator("summary").click()
    has_rows(page, 41)


def test_stored_rows_are_drawn_where_no_recording_can_be_loaded(show):
    lab = TrainingLab(steps=50)
    lab._rows.frombytes(np.array([[i, 1 / (i + 1), 0.1] for i in range(50)], np.float32).tobytes())
    lab.status = "done"
    entry = stored(lab)
    page = show({"a": entry, "b": stored(Stride())}, shown=["a", "b"])
    page.evaluate("() => 0")
    assert ink(page) > 1500


def test_stored_links_work_without_a_kernel(show):
    link = {
        "model_name": "LinkModel",
        "model_module": "@jupyter-widgets/controls",
        "state": {"source": ["IPY_MODEL_a", "lr"], "target": ["IPY_MODEL_b", "lr"]},
    }
    page = show({"a": stored(Stride(lr=0.1)), "b": stored(Stride(lr=0.2)), "l": link}, shown=["a", "b"])
    boxes = page.get_by_role("spinbutton", name="Learning rate")
    assert boxes.nth(1).input_value() == "0.1"
    for here, there, value in ((0, 1, "0.5"), (1, 0, "0.7")):
        boxes.nth(here).fill(value)
        boxes.nth(here).press("Enter")
        assert boxes.nth(there).input_value() == value


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 800])
def test_japanese_in_both_themes_and_on_a_phone(show, theme, width):
    made = [
        Stride(lang="ja", curve="dent"),
        TrainingLab(lang="ja"),
        SweepLab(lang="ja"),
        EdgeOfStability(lang="ja"),
        RegimeExplorer(lang="ja"),
        LandscapeWalk(lang="ja"),
        CostLedger(lang="ja"),
        SharedRate(lang="ja", guess="skip"),
    ]
    assert {type(one).__name__ for one in made} == set(lrwidgets.__all__), "add the new widget to the list above"
    page = show(made, lang="ja", theme=theme, width=width)
    page.locator("[data-kind=sweep_lab]").scroll_into_view_if_needed()
    page.wait_for_selector("[data-kind=sweep_lab][data-life=recorded]")
    says(page, "止まるのは")
    says(page, "記録です", 1)
    says(page, "記録です", 2)
    page.locator("[data-kind=edge_of_stability]").scroll_into_view_if_needed()
    says(page, "2/学習率", 3)
    page.locator("[data-kind=regime_explorer]").scroll_into_view_if_needed()
    says(page, "領域", 4)
    page.locator("[data-kind=landscape_walk]").scroll_into_view_if_needed()
    says(page, "障壁", 5)
    says(page, "元が取れます", 6)
    says(page, "いちばん損をするのは", 7)
    assert page.locator(".lrw").first.get_attribute("lang") == "ja"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    dark = page.evaluate("() => getComputedStyle(document.querySelector('.lrw')).colorScheme")
    assert dark == theme


def test_the_theme_follows_the_page_and_paper_is_light(show):
    page = show([Stride()])
    root = page.locator(".lrw")
    page.evaluate("() => { document.documentElement.dataset.theme = 'dark'; }")
    page.wait_for_selector(".lrw[data-dark=true]")
    page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    assert root.get_attribute("data-dark") == "false"
    page.evaluate("() => dispatchEvent(new Event('afterprint'))")
    page.wait_for_selector(".lrw[data-dark=true]")


def test_a_view_that_is_taken_away_leaves_nothing_behind(show):
    page = show([Stride()])
    left = page.evaluate("""() => { const el = document.createElement('div'); document.body.append(el);
      const state = { kind: 'stride', lang: 'en', error: '', lr: .1, curvature: 4, start: 1, steps: 5, curve: 'quadratic' };
      const one = lrwidgets.mount(el, state); one.end();
      return [el.childElementCount, [...one.model.hears.values()].reduce((n, s) => n + s.size, 0)]; }""")
    assert left == [0, 0]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(show, theme):
    axe = pathlib.Path(__file__).parents[1] / "pages" / "vendor" / "axe.min.js"
    page = show(every(), theme=theme)
    page.locator("[data-kind=sweep_lab]").scroll_into_view_if_needed()
    page.wait_for_selector("[data-kind=sweep_lab][data-life=recorded]")
    page.evaluate("() => document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.evaluate(
        "dark => { document.body.style.background = dark ? '#14181e' : '#fff';"
        " document.body.style.color = dark ? '#fff' : '#000'; }",
        theme == "dark",
    )
    page.add_script_tag(path=str(axe))
    found = page.evaluate(
        "async () => (await axe.run({ preload: false })).violations.map(v => [v.id, v.impact, v.nodes.map(n => n.html)])"
    )
    assert found == []
