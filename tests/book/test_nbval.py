"""nbval with the book's conftest: what must pass passes, what must fail fails."""

import base64
import importlib.util
import io
import re
import shutil
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from PIL import Image

from lrbook.nbtext import BOOK

SOURCE = (
    "import base64, io, numpy as np\nfrom PIL import Image\nfrom IPython.display import display\n"
    "pixels = np.zeros((64, 96, 3), dtype=np.uint8); pixels[20:22] = 200\n"
    "buffer = io.BytesIO(); Image.fromarray(pixels).save(buffer, format='png')\n"
    "display({'image/png': base64.b64encode(buffer.getvalue()).decode()}, raw=True)\nprint('done in 0.25 s')"
)


def png(row, width=96):
    pixels = np.zeros((64, width, 3), dtype=np.uint8)
    pixels[row : row + 2] = 200
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="png")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def cell(picture, text="done in 0.31 s\n", count=1):
    outputs = [
        nbformat.v4.new_output("display_data", data={"image/png": picture}),
        nbformat.v4.new_output("stream", name="stdout", text=text),
    ]
    return nbformat.v4.new_code_cell(SOURCE, execution_count=count, outputs=outputs)


CELLS = {
    "same": cell(png(20)),
    "moved": cell(png(23)),
    "other size": cell(png(20, 80)),
    "other words": cell(png(20), "finished\n"),
    "never run": cell(png(20), count=None),
    "same again": cell(png(20)),
}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nbval")
    shutil.copy(BOOK / "conftest.py", folder)
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    nbformat.write(nbformat.v4.new_notebook(cells=list(CELLS.values())), folder / "toy.ipynb")
    config = BOOK.parent / "tests" / "nbval_sanitize.cfg"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-rA",
            "--nbval",
            "--nbval-current-env",
            f"--nbval-sanitize-with={config}",
            "-p",
            "no:cacheprovider",
            str(folder),
        ],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=folder,
        timeout=300,
    )
    lines = re.findall(r"^(PASSED|FAILED) .*?Cell (\d+)", done.stdout, re.M)
    found = {int(number): word for word, number in lines}
    assert found, done.stdout + done.stderr
    return {name: found.get(number) for number, name in enumerate(CELLS)}


@pytest.mark.parametrize("name", CELLS)
def test_verdict(verdicts, name):
    assert verdicts[name] == ("PASSED" if name.startswith("same") else "FAILED")


def test_one_thin_line_that_moved_is_seen_by_a_tile():
    spec = importlib.util.spec_from_file_location("book_conftest", BOOK / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    a = np.full((360, 640, 3), 128.0)
    b = a.copy()
    a[100:102, 40:60] = 60
    b[104:106, 40:60] = 60
    assert np.sqrt(np.mean((a - b) ** 2)) < module.TOLERANCE < module.TILE_TOLERANCE
    assert "in one tile" in module.picture_problem(0, a, b)
    assert module.picture_problem(0, a, a + 0.5) is None
