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
    yield context
    context.close()


@pytest.fixture
def page(context):
    page = context.new_page()
    page.set_viewport_size({"width": 1280, "height": 900})
    page.watch = site.Watch(page)
    yield page
    page.close()
