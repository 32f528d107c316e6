"""The tests that every page of an edition passes; one test module a language runs them."""
import checks
import pytest
from site_under_test import SITE, page_paths


def report(problems):
    """Fail with one problem a line."""
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)


def page_tests(lang):
    """The two parametrised tests of one edition."""
    names = page_paths(lang) or [f"{lang}/book/{lang}/index.html"]

    @pytest.mark.parametrize("name", names)
    def test_over_http(page, address, name):
        page.goto(f"{address}/{name}", wait_until="load")
        problems = checks.settled(page)
        for question in (checks.WIDGETS, checks.GLYPHS, checks.PICTURES):
            problems += page.evaluate(question)
        problems += checks.axe(page)
        for theme in ("light", "dark"):
            checks.set_theme(page, theme)
            problems += [f"{theme}: {found}" for found in checks.contrast(page)]
        page.set_viewport_size({"width": 390, "height": 800})
        problems += page.evaluate(checks.OVERFLOW)
        report(problems + page.watch.problems())

    @pytest.mark.parametrize("name", names)
    def test_from_file(page, name):
        page.goto((SITE / name).as_uri(), wait_until="load")
        report(checks.settled(page) + page.evaluate(checks.WIDGETS) + page.watch.problems())

    return test_over_http, test_from_file
