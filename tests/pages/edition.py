"""The tests that every page of an edition passes; one test module a language runs them."""

import checks
import pytest
from site_under_test import SITE, page_paths


def report(problems):
    """Fail with one problem a line."""
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)


def wide_problems(page):
    """What is wrong with an open page on a desk's screen; it is emptied by the last question."""
    problems = checks.settled(page)
    for question in (checks.WIDGETS, checks.GLYPHS, checks.PICTURES):
        problems += page.evaluate(question)
    return problems + checks.axe(page) + checks.contrast(page) + page.watch.problems()


def narrow_problems(page):
    """What is wrong with an open page on a phone's screen."""
    problems = checks.settled(page) + page.evaluate(checks.WIDGETS) + page.evaluate(checks.OVERFLOW)
    return problems + page.watch.problems()


def page_tests(lang):
    """The two parametrised tests of one edition."""
    names = page_paths(lang) or [f"{lang}/book/{lang}/index.html"]

    @pytest.mark.parametrize("name", names)
    def test_over_http(desk, address, name):
        report(wide_problems(desk.open(f"{address}/{name}")))

    @pytest.mark.parametrize("name", names)
    def test_from_file(phone, name):
        report(narrow_problems(phone.open((SITE / name).as_uri())))

    return test_over_http, test_from_file
