"""The landscape walk: what it measures is what lrlib measures; a real run; the recorded land."""

import json

import numpy as np
import pytest

from lrbook import recorded
from lrwidgets import LandscapeWalk, landscape


def test_a_real_run_measures_line_plane_and_barrier():
    walk = LandscapeWalk(steps=60, lr=0.01)
    assert walk.run().wait(200) and walk.status == "done", walk.error
    land = walk.found
    line, plane = land["line"], land["plane"]
    assert (len(line["loss"]), len(line["error"]), len(plane["a"]), len(plane["loss"])) == (41, 41, 21, 441)
    assert land["marks"][:2] == [[0.0, 0.0], [1.0, 0.0]] and walk.share == 1.0
    between = np.array(line["loss"])[10:31]  # from A to B in steps of a twentieth, as `barrier` takes tenths
    assert land["barrier"]["loss"] == pytest.approx(between[::2].max() - (between[0] + between[-1]) / 2, abs=1e-4)
    assert json.loads(json.dumps(land, allow_nan=False)) == land, "the page can read it"
    walk.reset()
    assert walk.found == {} and walk.share == 0.0


def test_line_and_plane_agree_where_they_meet():
    from lrlib import sweep, tasks

    task = tasks.ticks(features=3, train=64, test=50)
    record = sweep(task, lr=[1e-4, 3e-4, 1e-3], steps=20, path="eager")
    a, b, c = ({n: w[i] for n, w in record.parameters.items()} for i in range(3))
    land = landscape.slices(task, 0, a, b, c)
    plane = np.array(land["plane"]["loss"]).reshape(21, 21)
    row = [np.interp(0.0, land["plane"]["b"], values) for values in plane]
    ends = [np.interp(at, land["plane"]["a"], row) for at in (0.0, 1.0)]
    assert ends == pytest.approx([land["line"]["loss"][10], land["line"]["loss"][30]], rel=0.05)


@pytest.mark.parametrize("name, value", [("at", 2.0), ("shown", "height"), ("steps", 59), ("lr", 0)])
def test_a_wrong_value_is_refused(name, value):
    with pytest.raises(ValueError, match=name):
        LandscapeWalk(**{name: value})


def test_recorded_barriers_rise_far_above_the_threshold():
    file = recorded.read("landscape_walk")
    heights = dict(zip(file["rates"], (land["barrier"]["error"] for land in file["walks"])))
    assert max(h for lr, h in heights.items() if lr <= 0.008) < 2 < heights[0.1], heights
    assert all(len(land["plane"]["error"]) == 441 and len(land["line"]["at"]) == 41 for land in file["walks"])
    assert (recorded.FOLDER / "landscape_walk.js").stat().st_size <= recorded.LIMIT and file["made"]["steps"] > 0
