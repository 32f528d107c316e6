"""nbval for this book: compare pictures, and refuse cells that were never run.

nbval by itself compares no PNG and lets a cell without execution count pass.
"""

import base64
import io

import numpy as np
from nbval.plugin import IPyNbCell
from PIL import Image

TOLERANCE = 2.0  # root mean square over a whole picture, of 255
TILE, TILE_TOLERANCE = 16, 24.0  # and over any 16 × 16 tile: a line that moved


def pictures(outputs):
    """The PNGs of a cell's outputs as float arrays, laid on grey so that transparency counts."""
    for output in outputs:
        data = output.get("data", {})
        if "image/png" in data:
            picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGBA")
            grey = Image.new("RGBA", picture.size, (128, 128, 128, 255))
            yield np.asarray(Image.alpha_composite(grey, picture).convert("RGB"), dtype=float)


def tile_difference(a, b):
    """The largest root mean square difference over the 16 × 16 tiles."""
    square = np.mean((a - b) ** 2, axis=2)
    rows, columns = (-(-size // TILE) * TILE for size in square.shape)
    padded = np.zeros((rows, columns))
    padded[: square.shape[0], : square.shape[1]] = square
    tiles = padded.reshape(rows // TILE, TILE, columns // TILE, TILE).mean(axis=(1, 3))
    return float(np.sqrt(tiles.max()))


def picture_problem(number, new, stored):
    """What is wrong with a computed picture, or None."""
    if new.shape != stored.shape:
        return f"picture {number}: stored {stored.shape}, computed {new.shape}"
    whole, tile = float(np.sqrt(np.mean((new - stored) ** 2))), tile_difference(new, stored)
    if whole > TOLERANCE or tile > TILE_TOLERANCE:
        return (
            f"picture {number}: differs by {whole:.2f} over all (allowed {TOLERANCE}), "
            f"{tile:.1f} in one tile (allowed {TILE_TOLERANCE})"
        )
    return None


def pictures_problem(test, reference):
    """What is wrong with the pictures of a cell, or None."""
    new, stored = list(pictures(test)), list(pictures(reference))
    if len(new) != len(stored):
        return f"{len(stored)} stored pictures, {len(new)} computed"
    return next(filter(None, (picture_problem(k, a, b) for k, (a, b) in enumerate(zip(new, stored)))), None)


def comparing_pictures(original):
    """nbval's comparison, and then ours of the pictures."""

    def compare_outputs(self, test, ref, skip_compare=None):
        if not original(self, test, ref, skip_compare):
            return False
        problem = pictures_problem(test, ref)
        if problem:
            self.comparison_traceback.append(problem)
        return problem is None

    compare_outputs.compares_pictures = True
    return compare_outputs


def refusing_unrun_cells(original):
    """Run a cell only if the stored notebook has run it."""

    def runtest(self):
        if not self.options["skip"] and self.cell.execution_count is None:
            self.raise_cell_error("this cell was never run: write the notebook with `run.py notebooks`", "")
        return original(self)

    runtest.refuses_unrun = True
    return runtest


def pytest_configure(config):
    if not getattr(IPyNbCell.compare_outputs, "compares_pictures", False):
        IPyNbCell.compare_outputs = comparing_pictures(IPyNbCell.compare_outputs)
        IPyNbCell.runtest = refusing_unrun_cells(IPyNbCell.runtest)
