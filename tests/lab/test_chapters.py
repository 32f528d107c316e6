"""A chapter's notebook in JupyterLab: every cell runs, and its widget is alive."""

import pathlib

from playwright.sync_api import expect

from tools.reader import adapted

BOOK = pathlib.Path(__file__).parents[2] / "book"


def test_run_all(open_notebook, server):
    """Every cell runs and the widget answers. (The teacher's page is run in English; nbval runs all in both.)"""
    (server.folder / "stride.ipynb").write_bytes(adapted((BOOK / "ja" / "stride.ipynb").read_bytes()))
    notebook = open_notebook("stride.ipynb")
    notebook.run_all()
    broken = [o for outputs in notebook.outputs() for o in outputs if o["output_type"] == "error"]
    assert broken == []
    widget = notebook.page.locator(".lrw[data-kind=stride]").first
    widget.scroll_into_view_if_needed()
    box, before = widget.get_by_role("spinbutton", name="学習率"), widget.get_attribute("data-verdict")
    box.fill("9")
    box.press("Enter")
    expect(widget).to_have_attribute("data-verdict", "diverging")
    assert before != "diverging"
