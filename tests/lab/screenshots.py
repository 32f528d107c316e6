"""Pictures of the page `controls` for its static edition: `python -m pytest tests/lab/screenshots.py`.

Runs the committed notebook in JupyterLab, moves its controls and writes `book/_static/controls-N.LANG.png`. The name of
this file keeps it out of the tests.
"""

import io
import pathlib
import shutil
import sys

import pytest
from PIL import Image, ImageOps

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from test_controls import BOOK, WORDS, handle, press  # noqa: E402

STATIC = pathlib.Path(__file__).parents[2] / "book/_static"
WIDTH, MARGIN = 760, 5


def save(page, target, path):
    """Cut ``target`` out of the page with a margin and a frame; few colours make a small file."""
    target.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    box = target.bounding_box()
    clip = {
        "x": box["x"] - MARGIN,
        "y": box["y"] - 2,
        "width": min(WIDTH, box["width"] + MARGIN),
        "height": box["height"] + MARGIN,
    }
    picture = Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")
    ImageOps.expand(picture, 1, "#b0b0b0").quantize(128).save(path, optimize=True)


@pytest.mark.parametrize("lang", list(WORDS))
def test_take(open_notebook, server, lang):
    rate, _, _, _, train = WORDS[lang]
    shutil.copy(BOOK / lang / "controls.ipynb", server.folder / f"pictures_{lang}.ipynb")
    notebook = open_notebook(f"pictures_{lang}.ipynb")
    page = notebook.page
    notebook.run_all()
    press(handle(page, rate), "ArrowRight", 15)
    press(handle(page, rate), "ArrowLeft", 20)
    press(handle(page, rate), "ArrowRight", 17)  # 0.4: across the valley, and closer
    page.get_by_role("button", name=train, exact=True).click()
    page.locator(".jp-OutputArea-child", has_text="finished").last.wait_for()
    page.wait_for_timeout(1000)
    diary = page.locator(".widget-html", has_text="η")
    shown = [
        page.locator(".widget-vbox", has=page.locator(".lrw")).first,
        diary,
        page.locator(".widget-interact"),
        page.locator(".widget-vbox", has=page.get_by_role("button", name=train, exact=True)).last,
    ]
    for number, target in enumerate(shown, 1):
        save(page, target, STATIC / f"controls-{number}.{lang}.png")
