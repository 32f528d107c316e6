"""One browser, one context and one server for all page tests of a worker."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import site_under_test as site  # noqa: E402


@pytest.fixture(scope="session")
def browser():
    path = site.browser_path()
    if path is None:
        message = "there is no Chromium (package `chromium`, or set CHROMIUM to its path)"
        pytest.fail(message) if "CI" in os.environ else pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=site.ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def address():
    with site.served(site.SITE) as found:
        yield found


@pytest.fixture(scope="session")
def context(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(20_000)
    context.set_default_navigation_timeout(60_000)  # a long page on a machine that does much else
    yield context
    context.close()


def opened(context, width, height):
    page = context.new_page()
    page.set_viewport_size({"width": width, "height": height})
    page.watch = site.Watch(page)
    return page


@pytest.fixture
def page(context):
    """A page of its own for a test."""
    page = opened(context, 1280, 900)
    yield page
    page.close()


class Kept:
    """A page that goes from one address to the next: its process has the site's scripts compiled already."""

    def __init__(self, context, width, height):
        self.context, self.size, self.page = context, (width, height), None

    def open(self, address):
        """The page at `address`; a new one after a test that left it in disorder."""
        if self.page is None:
            self.page = opened(self.context, *self.size)
        page, self.page = self.page, None
        page.watch.clear()
        page.goto(address, wait_until="load")
        self.page = page
        return page


@pytest.fixture(scope="session")
def desk(context):
    """The kept page of the width of a desk's screen."""
    return Kept(context, 1280, 900)


@pytest.fixture(scope="session")
def phone(context):
    """The kept page of the width of a phone."""
    return Kept(context, 390, 800)
