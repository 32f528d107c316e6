"""The site as a whole: links, doors, search, language switch, themes."""

import csv
import functools
import re

import pytest
from site_under_test import LANGUAGES, ROOT, SITE, link_problems, page_paths, read_pages

from lrbook.lint import literal_stars


def results(page, lang, query):
    """Number of pages that the search of an edition finds, from file://."""
    page.goto((SITE / lang / "search.html").as_uri() + f"?q={query}")
    page.wait_for_selector("#search-results .search-summary", state="attached")
    page.wait_for_timeout(500)
    return page.locator("#search-results li").count()


@functools.cache
def site_pages():
    """Anchors and references of every page, read once."""
    return read_pages(SITE)


def switch_problems(pages, lang, names, root=SITE):
    """Pages from which no link leads to the same page of the other edition."""
    other = "ja" if lang == "en" else "en"
    bad = []
    for name in names:
        path = root / name
        twin = root / name.replace(f"{lang}/book/{lang}/", f"{other}/book/{other}/").replace(f"{lang}/", f"{other}/", 1)
        links = {(path.parent / link).resolve() for link in pages[path].references if link.startswith(".")}
        bad += [name] * (twin not in links or not twin.exists())
    return bad


def compounds(count=3):
    """The longest runs of kanji in the Japanese pages: what a splitter into words would cut."""
    text = "".join(
        re.sub(r"<[^>]+>", " ", (SITE / name).read_text(encoding="utf-8"))
        for name in page_paths("ja")
        if "/book/" in name
    )
    return sorted(set(re.findall(r"[\u4e00-\u9fff]{4,8}", text)), key=lambda run: (-len(run), run))[:count]


def test_links_and_anchors():
    assert all(page_paths(lang) for lang in LANGUAGES), "build both editions first: run.py test book"
    assert not link_problems(SITE, site_pages())


def test_the_link_checker_sees_a_broken_link(tmp_path):
    (tmp_path / "a.html").write_text(
        '<a href="b.html">b</a><a id="x" href="#y">y</a><script src="https://cdn.example/x.js"></script>',
        encoding="utf-8",
    )
    assert link_problems(tmp_path) == [
        "a.html: loads https://cdn.example/x.js",
        "a.html: no file b.html",
        "a.html: no anchor #y",
    ]


def test_every_page_has_title_description_and_language():
    for lang in LANGUAGES:
        for name in page_paths(lang):
            text = (SITE / name).read_text(encoding="utf-8")
            assert f'<html lang="{lang}"' in text and "<title>" in text, name
            assert text.count('name="description"') == 1, name


@pytest.mark.parametrize("lang, found", [("en", "learning rate"), ("ja", "学習率")])
def test_search_finds(page, lang, found):
    assert results(page, lang, found) > 0
    assert not page.watch.problems()


def test_search_finds_japanese_compounds(page):
    runs = compounds()
    assert runs
    assert {run: results(page, "ja", run) for run in runs if not results(page, "ja", run)} == {}


@pytest.mark.parametrize("lang, absent", [("en", "zyzzyva"), ("ja", "存在しない語句")])
def test_search_finds_nothing(page, lang, absent):
    assert results(page, lang, absent) == 0


@pytest.mark.parametrize("lang", LANGUAGES)
def test_language_switch_is_the_same_page(lang):
    assert not switch_problems(site_pages(), lang, page_paths(lang))


def test_a_page_without_its_twin_is_seen(tmp_path):
    root = tmp_path.resolve()
    for name, link in {
        "en/a.html": "../ja/a.html",
        "ja/a.html": "../en/a.html",
        "en/b.html": "../ja/b.html",
        "en/c.html": "../ja/a.html",
    }.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(f'<a href="{link}">x</a>', encoding="utf-8")
    names = ["en/a.html", "en/b.html", "en/c.html"]
    assert switch_problems(read_pages(root), "en", names, root) == ["en/b.html", "en/c.html"]


def test_switch_by_hand(page):
    page.goto((SITE / "en/book/en/index.html").as_uri())
    page.locator("a.lang-switch").first.click()
    page.wait_for_url("**/ja/book/ja/index.html")
    assert page.locator("html").get_attribute("lang") == "ja"


def test_doors_lead_in(page):
    for door in ("index.html", "en/index.html", "ja/index.html"):
        page.goto((SITE / door).as_uri())
        page.wait_for_url("**/book/*/index.html")
    assert not page.watch.errors


def test_theme_menu(page):
    page.goto((SITE / "en/book/en/index.html").as_uri())
    colours = {}
    for mode in ("dark", "light"):
        page.locator("button.theme-switch-button:visible").first.click()
        page.locator(f"button.theme-change-button[data-mode={mode}]:visible").first.click()
        assert page.locator("html").get_attribute("data-theme") == mode
        colours[mode] = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert colours["dark"] != colours["light"]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_ledger_lists_every_claim(lang):
    with (ROOT / "book" / "claims.csv").open(encoding="utf-8", newline="") as file:
        wanted = {f"claim-{row['id']}" for row in csv.DictReader(file)}
    (page,) = read_pages(SITE / lang / "book" / lang, "ledger.html").values()
    assert {name for name in page.ids if name.startswith("claim-C")} == wanted


def test_ledger_filter(page):
    page.goto((SITE / "en/book/en/ledger.html").as_uri())
    shown = page.locator(".lr-ledger-table tbody tr:visible")
    everything = shown.count()
    page.locator(".lr-ledger-filter select").select_option("not-testable-here")
    assert 0 < shown.count() < everything
    page.locator(".lr-ledger-filter input").fill("zyzzyva")
    assert shown.count() == 0


def test_no_literal_stars_in_japanese_pages():
    found = [
        f"{name}: {message}"
        for name in page_paths("ja")
        for message in literal_stars((SITE / name).read_text(encoding="utf-8"))
    ]
    assert not found
