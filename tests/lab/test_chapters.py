"""A chapter's notebook in JupyterLab: every cell runs, and its widget is alive."""
import pathlib

from playwright.sync_api import expect

from tools.reader import adapted

BOOK = pathlib.Path(__file__).parents[2] / "book"


def test_run_all(open_notebook, server, lang="ja", rate="学習率"):
    """Every cell runs and the widget answers. (The teacher's page is run in English; nbval runs all in both.)"""
    name = f"stride_{lang}.ipynb"
    (server.folder / name).write_bytes(adapted((BOOK / lang / "stride.ipynb").read_bytes()))
    notebook = open_notebook(name)
    notebook.run_all()
    broken = [o for outputs in notebook.outputs() for o in outputs if o["output_type"] == "error"]
    assert broken == []
    widget = notebook.page.locator(".lrw[data-kind=stride]").first
    widget.scroll_into_view_if_needed()
    box, before = widget.get_by_role("spinbutton", name=rate), widget.get_attribute("data-verdict")
    box.fill("9")
    box.press("Enter")
    expect(widget).to_have_attribute("data-verdict", "diverging")
    assert before != "diverging"
