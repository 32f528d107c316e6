"""The checks themselves, on planted mistakes."""

import time

import checks
import pytest
from edition import narrow_problems, wide_problems
from site_under_test import SITE, served

HEAD = '<!doctype html><html lang="ja"><head><meta charset="utf-8"><title>t</title></head><body><main>'


def opened(page, body):
    page.set_content(HEAD + body + "</main></body></html>")
    return page


def test_a_missing_glyph_is_seen(page):
    assert not opened(page, "<p>学習率 η ∇ → “x”</p>").evaluate(checks.GLYPHS)
    assert "U+e123" in " ".join(opened(page, "<p>x \ue123</p>").evaluate(checks.GLYPHS))


def test_an_overflow_is_seen(page):
    page.set_viewport_size({"width": 390, "height": 800})
    assert not opened(page, "<p>short</p>").evaluate(checks.OVERFLOW)
    assert opened(page, '<div style="width:900px">wide</div>').evaluate(checks.OVERFLOW)


def test_untypeset_maths_and_pictures_without_alt_are_seen(page):
    assert checks.settled(opened(page, '<span class="math">\\(x\\)</span>'))
    assert opened(page, '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">').evaluate(checks.PICTURES)


def test_a_widget_that_did_not_start_is_seen(page):
    view = '<script type="application/vnd.jupyter.widget-view+json">{"model_id": "0"}</script>'
    assert opened(page, f"<div>{view}</div>").evaluate(checks.WIDGETS) == ["widget 0 did not start"]
    assert opened(page, '<div role="alert">Traceback</div>').evaluate(checks.WIDGETS) == ["widget error: Traceback"]


def test_axe_sees_an_unnamed_control(page):
    assert any("label" in found or "name" in found for found in checks.axe(opened(page, '<input type="range">')))


def test_listings_are_whole_again_after_axe_and_their_links_are_seen(page):
    found = opened(page, '<style>.k { color: #bbb }</style><pre><span class="k">pale</span> code</pre>')
    assert not checks.axe(found) and found.locator("pre span.k").count() == 1
    assert checks.contrast(found)
    assert any(
        "link-name" in line for line in checks.axe(opened(page, '<pre><a href="#"></a> <span class="k">x</span></pre>'))
    )


def test_pale_text_is_seen_among_much_that_is_dark(page):
    dark = "".join(f"<p>text {i}</p>" for i in range(20))
    assert not checks.contrast(opened(page, dark))
    for pale in (
        '<p style="color:#aaa">pale</p>',
        '<p style="background:#555">dark on dark</p>',
        '<p style="opacity:.3">faint</p>',
        '<div style="background:#444"><p>dark on what lies behind</p></div>',
    ):
        assert checks.contrast(opened(page, dark + pale)), pale


@pytest.mark.parametrize(
    "script",
    [
        "fetch('https://cdn.example.org/x.js').catch(() => 0)",
        "console.error('broken')",
        "undefinedFunction()",
        "new Image().src = 'nowhere.png'",
    ],
)
def test_the_watch_sees_requests_and_errors(page, tmp_path, script):
    (tmp_path / "a.html").write_text(HEAD + f"<script>{script}</script></main></body></html>", encoding="utf-8")
    with served(tmp_path) as address:
        page.goto(f"{address}/a.html")
        until = time.monotonic() + 30
        while not page.watch.problems():
            assert time.monotonic() < until, "nothing was seen"
            page.wait_for_timeout(20)


def test_the_benign_line_of_the_theme_is_allowed(page, tmp_path):
    (tmp_path / "a.html").write_text(
        HEAD + "<script>console.error('Got invalid theme mode: . Resetting to auto.')</script>", encoding="utf-8"
    )
    page.goto((tmp_path / "a.html").as_uri())
    assert not page.watch.problems()


def planted(page, address, faults):
    """A built page with mistakes of ours at the end of its text."""
    name = "en/book/en/disagreements.html"
    text = (SITE / name).read_text(encoding="utf-8")
    assert text.count("</article>") == 1
    page.route(
        f"**/{name}",
        lambda route: route.fulfill(
            body=text.replace("</article>", faults + "</article>"), content_type="text/html; charset=utf-8"
        ),
    )
    page.goto(f"{address}/{name}", wait_until="load")
    return page


def test_mistakes_in_a_built_page_are_seen(page, address):
    faults = {
        "picture without alt": '<img src="/en/_static/logo.svg">',
        "label": '<input type="range" id="unnamed">',
        "asks another host": "<script>fetch('https://cdn.example.org/x.js').catch(() => 0)</script>",
        "console: broken": "<script>console.error('broken')</script>",
        "missing glyph": "<p>\ue123</p>",
        "maths not typeset": '<span class="math no-mathjax tex2jax_ignore mathjax_ignore">\\(x\\)</span>',
        "404": '<img alt="a" src="nowhere.png">',
        "exception": "<script>undefinedFunction()</script>",
    }
    found = wide_problems(planted(page, address, "".join(faults.values())))
    assert not [word for word in faults if not any(word in line for line in found)], found


@pytest.mark.parametrize(
    "fault, theme, rule",
    [
        (
            '<style>html[data-theme=light] #p { color: #aaa }</style><p id="p">pale by day</p>',
            "light",
            "color-contrast",
        ),
        (
            '<style>html[data-theme=dark] #p { color: #444 }</style><p id="p">dark by night</p>',
            "dark",
            "color-contrast",
        ),
        (
            "<style>html[data-theme] #p { color: #333; text-decoration: none }</style><p>text with "
            '<a id="p" href="#">a hidden link</a> in it</p>',
            "light",
            "link-in-text-block",
        ),
    ],
    ids=["light", "dark", "link"],
)
def test_colours_are_judged_in_both_themes_of_a_built_page(page, address, fault, theme, rule):
    found = checks.contrast(planted(page, address, fault))
    assert any(line.startswith(f"{theme}: serious {rule}") and 'id="p"' in line for line in found), found
    other = {"light": "dark", "dark": "light"}[theme]
    assert rule != "color-contrast" or not any(line.startswith(other) for line in found), found


def test_mistakes_on_a_phone_are_seen(page, address):
    page.set_viewport_size({"width": 390, "height": 800})
    view = '<div><script type="application/vnd.jupyter.widget-view+json">{"model_id": "0"}</script></div>'
    found = narrow_problems(planted(page, address, view + '<div style="width:900px">wide</div>'))
    assert any("wide in a window of 390" in line for line in found) and any(
        "did not start" in line for line in found
    ), found
