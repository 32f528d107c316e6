"""Runs in pieces: a run that was broken off goes on as if nothing had happened, and takes up nothing else."""

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbook import pieces, results
from lrbook.experiment import Experiment
from lrbook.language import BOOK
from lrbook.pieces import Outcome
from lrbook.quantity import exact, measured
from lrlib import tasks
from lrlib._base.streams import moved

RATES = [0.01, 0.02, 0.04]
FLOATS = st.floats(allow_nan=True, allow_infinity=True)


@pytest.fixture
def sweeps(monkeypatch):
    """The experiments' own `sweep`, and a list of the rates that were really computed."""
    monkeypatch.syspath_prepend(str(BOOK / "experiments"))
    module = importlib.import_module("sweeps")
    computed, compute = [], module.compute

    def counted(*arguments, **options):
        computed.append(options["lr"][0])
        return compute(*arguments, **options)

    monkeypatch.setattr(module, "compute", counted)
    yield module, computed
    sys.modules.pop("sweeps", None)


@pytest.fixture
def helper(tmp_path, monkeypatch, sweeps):
    """An experiment of three sweeps, each of which goes on from what the one before came to."""
    module, _ = sweeps
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    (tmp_path / "results").mkdir()
    schema = (BOOK / "results" / "schema.json").read_text(encoding="utf-8")
    (tmp_path / "results" / "schema.json").write_text(schema, encoding="utf-8")
    script = tmp_path / "e98_helper.py"
    script.write_text("from lrlib import rules\n", encoding="utf-8")
    broken = {"off": None}

    def run(mode):
        task, level, found = tasks.double_well(noise=1.0), 0.0, []
        for k, rate in enumerate(RATES):
            if k == broken["off"]:
                raise KeyboardInterrupt
            record = module.sweep(
                task, "sgd", lr=[rate + level], seeds=3, steps=4 if mode == "quick" else 9, path="loop"
            )
            level = 1e-3 * float(record.loss[0, -1])
            found.append(record.loss[:, -1])
        return {"height": measured(np.array(found), "", {"lr": RATES}), "drawn": exact(moved(3) / 2**63)}

    def expect(quantities):
        assert quantities["drawn"].mean < 1e-9, "three stays three"

    return Experiment("e98_helper", "Does the helper work?", run, expect, str(script)), broken


def values(outcome):
    return {name: q.mean.tolist() for name, q in outcome.quantities.items()}


@pytest.mark.parametrize("place", range(len(RATES)))
@pytest.mark.parametrize("begin", [0, 7])
def test_a_run_that_was_broken_off_comes_to_the_same(helper, sweeps, tmp_path, place, begin):
    (one, broken), (_, computed) = helper, sweeps
    whole = one.outcome("full", begin=begin)
    computed.clear()
    broken["off"] = place
    with pytest.raises(KeyboardInterrupt):
        one.outcome("full", tmp_path / "kept", begin)
    broken["off"] = None
    resumed = one.outcome("full", tmp_path / "kept", begin)
    assert values(resumed) == values(whole) and resumed.first_losses == whole.first_losses
    assert len(computed) == len(RATES), "each sweep once, over both goes"
    assert values(one.outcome("full", tmp_path / "kept", begin)) == values(whole) and len(computed) == len(RATES)


def test_the_seconds_of_a_run_that_was_broken_off_count(helper, monkeypatch, tmp_path):
    (one, broken), clock = helper, iter(range(0, 1000, 10))
    monkeypatch.setattr(pieces, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    broken["off"] = 2
    with pytest.raises(KeyboardInterrupt):
        one.outcome("full", tmp_path / "kept")
    spent = float(next((tmp_path / "kept").rglob("seconds.txt")).read_text(encoding="utf-8"))
    broken["off"] = None
    assert spent == 20, "two pieces, the clock read at the start and after each of them"
    assert one.outcome("full", tmp_path / "kept").seconds == spent + 20, "one more piece, and the end"


def test_only_the_very_same_run_is_taken_up_again(helper, sweeps, tmp_path):
    (one, _), (_, computed) = helper, sweeps
    folder, seen = tmp_path / "kept", []

    def run(mode="full", begin=0):
        computed.clear()
        seen.append(values(one.outcome(mode, folder, begin)))
        return len(computed)

    assert [run(), run()] == [3, 0] and seen[0] == seen[1]
    assert [run(begin=5), run(begin=5), run(begin=6), run("quick"), run()] == [3, 0, 3, 3, 0]
    assert seen[2] != seen[0] != seen[4] != seen[2]
    Path(one.file).write_text("from lrlib import rules\nRATE = 1\n", encoding="utf-8")
    assert run() == 3, "other code"


def test_what_cannot_be_read_is_made_again(helper, sweeps, tmp_path):
    (one, _), (_, computed) = helper, sweeps
    whole = one.outcome("full", tmp_path / "kept")
    for path in (tmp_path / "kept").rglob("*.*"):
        path.write_bytes(path.read_bytes()[:20])
    computed.clear()
    assert values(one.outcome("full", tmp_path / "kept")) == values(whole) and len(computed) == 3


def test_nothing_is_kept_of_a_run_whose_code_changed_on_the_way(helper, tmp_path):
    one, _ = helper

    def run(mode):
        Path(one.file).write_text("from lrlib import rules\nRATE = 2\n", encoding="utf-8")
        return {"limit": exact(1.0)}

    changing = Experiment(one.id, one.question, run, one.expect, one.file)
    with pytest.raises(RuntimeError, match="the code changed"):
        changing.outcome("full", tmp_path / "kept")
    assert not list((tmp_path / "kept").rglob("outcome.json"))


def test_a_sweep_that_keeps_snapshots_is_not_kept_itself(sweeps, tmp_path):
    module, computed = sweeps
    run = pieces.Run(tmp_path)
    with pieces.going_on(run):
        for _ in range(2):
            module.sweep(tasks.double_well(), "sgd", lr=[0.1], steps=3, path="loop", snapshots=[3])
    assert len(computed) == len(run.first_losses) == 2 and not list(tmp_path.iterdir())
    assert pieces.current() is not run


def test_another_origin_goes_to_a_folder_of_its_own(helper, tmp_path, capsys):
    one, _ = helper
    before = sorted(results.FOLDER.iterdir())
    folder = str(tmp_path / "others")
    assert one.main(["--full", "--seeds-from", "5", "--folder", folder]) == 1, "what holds from zero, told"
    assert "not with these seeds: three stays three" in capsys.readouterr().out
    document = json.loads((tmp_path / "others" / "e98_helper.json").read_text(encoding="utf-8"))
    assert (document["mode"], document["seeds_from"], document["seeds"]) == ("full", 5, [0, 1, 2])
    assert "quick" not in document and sorted(results.FOLDER.iterdir()) == before
    assert results.parse(json.dumps(document)).about["seeds_from"] == 5
    for arguments in (["--full", "--seeds-from", "6"], ["--seeds-from", "5"], ["--full"]):
        with pytest.raises(ValueError, match="seeds from 5.*name another folder"):
            one.main([*arguments, "--folder", folder])


def test_from_zero_a_folder_gets_what_the_book_would_get(helper, tmp_path):
    one, _ = helper
    one.main(["--full", "--folder", str(tmp_path / "again")])
    one.main(["--full"])
    here, there = (json.loads((f / "e98_helper.json").read_text()) for f in (results.FOLDER, tmp_path / "again"))
    assert {**here, "seconds": 0} == {**there, "seconds": 0}


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--full", "--seeds-from", "5"], "needs --folder"),
        (["--confirm", "--seeds-from", "5"], "without --seeds-from"),
        (["--store-quick", "--folder", "x"], "without --seeds-from and --folder"),
        (["--seeds-from", "-1"], "0 or larger; got -1"),
        (["--seeds-from", "some"], "invalid int"),
    ],
)
def test_options_that_do_not_go_together_are_refused(helper, capsys, arguments, words):
    with pytest.raises(SystemExit):
        helper[0].main(arguments)
    assert words in capsys.readouterr().err


@given(numbers=st.lists(FLOATS, min_size=1, max_size=4), about=st.text(max_size=9))
def test_an_outcome_keeps_every_digit(tmp_path_factory, numbers, about):
    with np.errstate(all="ignore"):
        q = measured(numbers, "pp", band=0.1, about=about)
    path = tmp_path_factory.mktemp("outcome") / "outcome.json"
    before = Outcome({"gain": q, "limit": exact([1.0, 2.0], axes={"lr": ["a", "b"]})}, [[0.1]], 2.0)
    after = Outcome.load(before.save(path))
    for name, old in before.quantities.items():
        for part, value in vars(old).items():
            np.testing.assert_array_equal(getattr(after.quantities[name], part), value)
    assert (after.first_losses, after.seconds) == ([[0.1]], 2.0)


def test_first_losses_leave_out_what_is_infinite():
    run = pieces.Run()
    run.watch([[1.0, 10.0, 5.0, 100.0], [1.0, np.inf, 5.0, np.nan]])
    run.watch([[1.0]])
    assert run.first_losses == [[1.0, 10.0, 100.0], [1.0]]
