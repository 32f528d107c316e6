"""A stored result is taken up by the very same run, whole, and by no other; nothing of the caller's is changed for it."""

import copy
import dataclasses
import errno
import functools
import os
import subprocess
import sys
import sysconfig
import types

import numpy as np
import pytest
import torch
from torch import nn

import lrlib
from lrlib import Record, fit, sweep, tasks
from lrlib._base import files
from lrlib._base.digest import digest
from lrlib._base.streams import initial_model, seeded
from lrlib.runs.identity import identity
from lrlib.runs.sweeps import describe_lanes

X = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
Y = (X.sum(1) > 0).long()
SCALE = 1.0


def helper(output, y):
    return nn.functional.cross_entropy(output, y) * SCALE


def scaled(output, y):
    return helper(output, y)


def net():
    return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.1), nn.Linear(8, 2))


def task(**change):
    parts = dict(model=net, train=(X, Y), valid=(X[:32], Y[:32]), test=None, loss=nn.functional.cross_entropy)
    parts |= dict(metric=tasks.accuracy, batch=16, steps=12)
    return tasks.Task("t", **(parts | change))


def test_every_part_of_a_description_counts():
    description = describe_lanes(task(), "sgd", [0.1])
    read = set()

    class Watched:
        def __getattr__(self, name):
            read.add(name)
            return getattr(description, name)

    identity(Watched())
    left_out = {field.name for field in dataclasses.fields(description)} - read
    assert left_out == {"plan", "plans"}  # their factors count


def test_a_folder_of_another_state_of_lrlib_is_not_taken_up(tmp_path, monkeypatch):
    sweep(task(), lr=[0.1, 0.2], folder=tmp_path)
    monkeypatch.setattr("lrlib.runs.identity._sources", lambda: "another")
    assert "taken from" not in sweep(task(), lr=[0.1, 0.2], folder=tmp_path).path_reason


def thrice(output, y):
    return 3 * nn.functional.cross_entropy(output, y)


CHANGES = {
    "loss": dict(loss=thrice),
    "metric": dict(metric=lambda o, y: 2 * tasks.accuracy(o, y)),
    "dropout": dict(model=lambda: nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.2), nn.Linear(8, 2))),
    "slope": dict(model=lambda: nn.Sequential(nn.Linear(4, 8), nn.LeakyReLU(0.3), nn.Linear(8, 2))),
    "noise": dict(noise=0.1),
    "augment": dict(augment=lambda x, generator: x + 0.1),
    "valid": dict(valid=(X[:16], Y[:16])),
    "test": dict(test=(X, Y)),
    "train": dict(train=(X + 1e-6, Y)),
    "batch": dict(batch=8),
    "l2": dict(l2=0.1),
    "project": dict(project=lambda p: {n: v.clamp(-1, 1) for n, v in p.items()}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_checkpoint_of_another_task_is_refused(change, tmp_path):
    fit(task(), lr=0.1, checkpoint=tmp_path / "c")
    with pytest.raises(ValueError, match="belongs to another run"):
        fit(task(**CHANGES[change]), lr=0.1, checkpoint=tmp_path / "c")
    assert fit(task(), lr=0.1, checkpoint=tmp_path / "c") == fit(task(), lr=0.1)


@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_gives_another_task_nothing(change, tmp_path):
    sweep(task(), lr=[0.1, 0.2], folder=tmp_path)
    other = sweep(task(**CHANGES[change]), lr=[0.1, 0.2], folder=tmp_path)
    assert "taken from" not in other.path_reason
    assert "2 of them taken from" in sweep(task(), lr=[0.1, 0.2], folder=tmp_path).path_reason


SETTINGS = [dict(lr=0.2), dict(seed=1), dict(steps=10), dict(rule="momentum"), dict(diverged_at=10.0), dict(evaluate=3)]
SETTINGS += [
    dict(dtype=torch.float64),
    dict(rule="momentum", momentum=0.5),
    dict(snapshots=[3]),
    dict(plan=lambda t: 0.5),
]


@pytest.mark.parametrize("change", SETTINGS, ids=lambda change: ", ".join(change))
def test_a_checkpoint_of_other_settings_is_refused(change, tmp_path):
    fit(task(), **({"lr": 0.1}), checkpoint=tmp_path / "c")
    with pytest.raises(ValueError, match="belongs to another run"):
        fit(task(), **({"lr": 0.1} | change), checkpoint=tmp_path / "c")


def test_a_checkpoint_of_an_optimizer_of_ones_own_knows_its_options(tmp_path):
    def maker(lr):
        return lambda parameters: torch.optim.SGD(parameters, lr=lr)

    fit(task(), maker(0.1), checkpoint=tmp_path / "c")
    with pytest.raises(ValueError, match="belongs to another run"):
        fit(task(), maker(0.2), checkpoint=tmp_path / "c")


def double(output, y):
    """A loss that float32 outputs do not fit."""
    return nn.functional.cross_entropy(output, y, weight=torch.ones(2, dtype=torch.float64))


def test_a_run_in_double_precision_is_known_by_a_loss_in_double_precision(tmp_path):
    how = {"lr": 0.1, "dtype": torch.float64}
    alone = fit(task(loss=double), **how)
    assert fit(task(loss=double), checkpoint=tmp_path / "run", **how) == alone
    parts = sweep(task(loss=double), folder=tmp_path / "parts", path="loop", **how)
    assert np.array_equal(parts.loss, alone.loss)


def test_the_first_loss_is_that_of_two_examples_in_the_precision_of_the_run():
    for dtype in (torch.float32, torch.float64):
        model, few = initial_model(task(), 3, dtype), X[:2].to(dtype)
        with seeded(3), torch.no_grad():
            loss = nn.functional.cross_entropy(model(few), Y[:2])
        found = identity(describe_lanes(task(), "sgd", [0.1], seeds=[3], dtype=dtype))["first weights and loss"]
        assert found == digest((list(model.state_dict().values()), X, Y, loss))


def elsewhere(output, y):
    raise RuntimeError("expected all tensors to be on the same device")


def test_a_loss_that_only_the_device_of_the_run_can_compute_is_left_out():
    description = describe_lanes(task(), "sgd", [0.1])
    there = dataclasses.replace(description, device=torch.device("cuda"), task=task(loss=elsewhere))
    assert identity(there)["device"] != identity(description)["device"]
    with pytest.raises(RuntimeError, match="same device"):
        identity(dataclasses.replace(there, device=torch.device("cpu")))


def test_what_a_function_reads_counts(monkeypatch):
    module = sys.modules[__name__]

    def key():
        return identity(describe_lanes(task(metric=scaled), "sgd", [0.1]))["evaluation"]

    before = key()
    monkeypatch.setattr(module, "SCALE", 100.0)
    assert key() != before
    monkeypatch.setattr(module, "SCALE", 1.0)
    assert key() == before
    monkeypatch.setattr(module, "helper", lambda output, y: output.sum())
    assert key() != before


def test_what_a_function_reads_of_another_module_of_the_users_counts():
    mine = types.ModuleType("mine_of_identity")
    mine.__file__ = "mine_of_identity.py"
    exec("K = 1\ndef f(o, y): return (o - K).mean()", vars(mine))
    space = {"mine": mine}
    exec("def metric(o, y): return mine.f(o, y)", space)
    before = digest(space["metric"])
    mine.K = 2
    assert digest(space["metric"]) != before
    mine.K = 1
    assert digest(space["metric"]) == before


def test_a_class_of_the_users_counts_with_its_methods():
    def made(factor):
        space = {"nn": nn, "__name__": "__main__"}
        exec(f"class Net(nn.Linear):\n    def forward(self, x): return {factor} * super().forward(x)", space)
        return space["Net"]

    assert digest(made(1)) == digest(made(1)) != digest(made(2))


@pytest.mark.parametrize("folder", [sysconfig.get_path("stdlib"), os.path.dirname(lrlib.__file__), None])
def test_a_module_beside_a_package_or_without_a_file_is_the_users(folder, monkeypatch):
    mine = types.ModuleType("mine_beside")
    mine.__file__ = None if folder is None else f"{folder}_of_mine/mine_beside.py"
    exec("class Net:\n    gain = 1", vars(mine))
    monkeypatch.setitem(sys.modules, "mine_beside", mine)
    before = digest(mine.Net)
    mine.Net.gain = 2
    assert digest(mine.Net) != before


@dataclasses.dataclass
class Settings:
    size: int = 1

    def __post_init__(self):
        self.gain = 1.0

    @functools.cached_property
    def square(self):
        return self.size**2


class Slotted:
    __slots__ = "gain"

    def __init__(self, gain):
        self.gain = gain


def test_what_an_object_keeps_beside_its_fields_counts_and_what_it_derived_does_not():
    settings = Settings()
    before = digest(settings)
    assert settings.square == 1 and digest(settings) == before
    settings.gain = 2.0
    assert digest(settings) != before
    assert digest(Slotted(1)) == digest(Slotted(1)) != digest(Slotted(2))


def test_a_class_is_the_same_after_its_objects_were_copied():
    before = digest(Settings)
    copy.deepcopy(Settings())
    assert digest(Settings) == before


def test_how_a_function_takes_its_arguments_counts():
    assert len({digest(f) for f in (lambda o: o, lambda *o: o, lambda *, o: o, lambda o, /: o)}) == 4


def test_a_variable_without_a_value_yet_counts_as_empty():
    def model():
        return later()

    before = digest(model)
    later = net
    assert digest(model) != before


TENSORS = {
    "bfloat16": torch.arange(4, dtype=torch.bfloat16),
    "bool": torch.tensor([True, False]),
    "complex": torch.tensor([1 + 2j]),
    "conjugate": torch.tensor([1 + 2j]).conj(),
    "sparse": torch.eye(2).to_sparse(),
    "empty": torch.ones(0, 3),
    "one number": torch.tensor(2.0),
    "a view": torch.arange(6.0).reshape(2, 3).T,
}


@pytest.mark.parametrize("kind", TENSORS)
def test_tensors_of_every_kind_count_by_their_values(kind):
    tensor = TENSORS[kind]
    other = torch.cat([tensor.to_dense().reshape(-1), torch.ones(1, dtype=tensor.dtype)])
    assert digest(tensor) == digest(tensor.clone()) != digest(other)


def test_arrays_of_objects_count_by_what_lies_in_them():
    array = np.array([{"gain": 1}, None], dtype=object)
    before = digest(array)
    assert digest(copy.deepcopy(array)) == before
    array[0]["gain"] = 2
    assert digest(array) != before


def test_digests_are_the_same_in_another_process(tmp_path):
    code = """
import abc, collections, logging, threading
import numpy as np, torch
from lrlib._base.digest import digest
class Base(abc.ABC):
    kinds = set()
    def __init__(self):
        self.lock, self.event, self.log = threading.Lock(), threading.Event(), logging.getLogger("mine")
class One(Base): pass
class Two(Base): pass
Base.kinds |= {One, Two, int, str}
held = [One(), np.array([{1: 2}, None], dtype=object), {One: 1, int: 2, (1, "a"): 3}, memoryview(b"abc"), open(__file__)]
print(digest(held, lambda x: x in {"a", "b", (1, "c")}, collections.OrderedDict(a=1)))
"""
    (tmp_path / "script.py").write_text(code)
    found = set()
    for seed in "12":
        call = [sys.executable, str(tmp_path / "script.py")]
        found.add(
            subprocess.run(call, env=os.environ | {"PYTHONHASHSEED": seed}, check=True, capture_output=True).stdout
        )
    assert len(found) == 1


def test_functions_that_name_each_other_end():
    space = {}
    exec("def f(n): return g(n)\ndef g(n): return f(n) + [f, g][0](n)", space)
    assert digest(space["f"]) == digest(copy.copy(space["f"])) != digest(space["g"])


def test_a_notebooks_classes_keep_their_methods(tmp_path):
    code = """
import sys, tempfile, torch
from lrlib import Task, sweep
GAIN = 1.0
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.l = torch.nn.Linear(3, 1)
    def forward(self, x):
        return self.l(x) * GAIN
mse = lambda o, y: ((o - y) ** 2).mean()
x, y = torch.randn(20, 3), torch.randn(20, 1)
before = Net.forward
for how in (dict(folder=tempfile.mkdtemp(dir=sys.argv[1])), dict(lanes=1), dict(jobs=1)):
    sweep(Task("mine", Net, (x, y), (x, y), None, mse, mse, 10, 4), lr=[0.01, 0.02], path="eager", **how)
    assert Net.forward is before, how
GAIN = 0.0
assert Net()(x).abs().sum() == 0
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


def checkpointed(path, **options):
    return fit(task(), lr=0.1, checkpoint=path, **options)


def test_no_flipped_byte_of_a_checkpoint_goes_unseen(tmp_path):
    path = tmp_path / "c"
    checkpointed(path, on_event=lambda event: event.step < 5)
    good, chance = path.read_bytes(), np.random.default_rng(0)
    for at in chance.integers(len(good), size=60):
        path.write_bytes(good[:at] + bytes([good[at] ^ (1 << chance.integers(8))]) + good[at + 1 :])
        with pytest.raises(ValueError, match="is not a whole checkpoint"):
            checkpointed(path)
    for at in (0, 1, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:at])
        with pytest.raises(ValueError, match="is not a whole checkpoint"):
            checkpointed(path)
    path.write_bytes(good)
    assert checkpointed(path) == fit(task(), lr=0.1)


def test_a_part_that_lies_under_anothers_name_is_made_anew(tmp_path):
    whole = sweep(task(), lr=[0.1, 0.2], folder=tmp_path)
    one, other = sorted(tmp_path.glob("part-*.npz"))
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(kept)
    again = sweep(task(), lr=[0.1, 0.2], folder=tmp_path)
    assert "taken from" not in again.path_reason and np.array_equal(again.loss, whole.loss)


def test_a_part_of_no_content_or_a_folder_in_its_place_does_not_stop_the_sweep(tmp_path):
    whole = sweep(task(), lr=[0.1, 0.2], folder=tmp_path)
    one, other = sorted(tmp_path.glob("part-*.npz"))
    one.write_bytes(b"")
    os.truncate(other, other.stat().st_size // 2)
    assert np.array_equal(sweep(task(), lr=[0.1, 0.2], folder=tmp_path).loss, whole.loss)


NONSENSE = {
    "loss of text": dict(loss=np.array([["a"] * 12])),
    "loss of another shape": dict(loss=np.zeros((1, 3), dtype=np.float32)),
    "seeds that are no whole numbers": dict(seed=np.array([0.5])),
    "a seed too many": dict(seed=np.array([0, 1])),
    "no lane": dict(lr0=np.zeros(0)),
    "a status of its own": dict(status=np.array(["x"])),
    "steps that fall": dict(step=np.arange(12)[::-1].copy()),
    "evaluations of another shape": dict(evaluations={"step": np.array([12]), "train_loss": np.zeros((1, 4))}),
    "seconds of text": dict(seconds="x"),
    "a task of nothing": dict(task=None),
    "complex rates": dict(lr=np.zeros((1, 12), dtype=complex)),
}


@pytest.mark.parametrize("change", NONSENSE)
def test_a_record_whose_parts_do_not_fit_is_not_read(change, tmp_path):
    record = fit(task(), lr=0.1)
    path = dataclasses.replace(record, **NONSENSE[change]).save(tmp_path / "r.npz")
    with pytest.raises(ValueError, match="path must be a record written by lrlib"):
        Record.load(path)


def test_a_record_is_asked_for_by_its_identity(tmp_path):
    record = fit(task(), lr=0.1)
    path = record.save(tmp_path / "r.npz", "mine")
    assert Record.load(path) == Record.load(path, "mine") == record
    with pytest.raises(ValueError, match="is of another run"):
        Record.load(path, "yours")


def test_what_a_killed_writer_left_is_removed_and_a_living_ones_is_not(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = {process: files._writer().rpartition("-")[0] + f"-{process}" for process in (dead.pid, os.getpid())}
    left, living = (tmp_path / f".r.npz.{name}-0123456789ab.tmp" for name in names.values())
    left.write_bytes(b"half"), living.write_bytes(b"half")
    fit(task(), lr=0.1).save(tmp_path / "r.npz")
    assert not left.exists() and living.exists()


def test_a_link_keeps_leading_where_it_led(tmp_path):
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "r.npz", tmp_path / "link.npz"
    target.write_bytes(b"old")
    link.symlink_to(target)
    record = fit(task(), lr=0.1)
    record.save(link)
    assert link.is_symlink() and Record.load(target) == record


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left on device.*r.npz.*" + tmp_path.name):
        fit(task(), lr=0.1).save(tmp_path / "r.npz")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_place_of_a_file_stays_and_nothing_is_left_beside_it(tmp_path):
    (tmp_path / "r.npz" / "mine").mkdir(parents=True)
    with pytest.raises(OSError, match="r.npz"):
        fit(task(), lr=0.1).save(tmp_path / "r.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["r.npz"] and (tmp_path / "r.npz" / "mine").is_dir()


def test_a_name_of_80_japanese_characters_can_be_written(tmp_path):
    record = fit(task(), lr=0.1)
    assert Record.load(record.save(tmp_path / f"{'学' * 80}.npz")) == record


def test_records_and_checkpoints_of_older_versions_are_refused_with_a_sentence(tmp_path):
    np.savez(tmp_path / "r.npz", header=np.array('{"schema": 1}'), lr0=np.ones(1))
    with pytest.raises(ValueError, match="of another version of lrlib: run it again"):
        Record.load(tmp_path / "r.npz")
    torch.save({"format": 2, "signature": {}, "state": {}}, tmp_path / "c")
    with pytest.raises(ValueError, match="is not a whole checkpoint of lrlib.fit of this version"):
        checkpointed(tmp_path / "c")


def test_things_that_all_name_each_other_have_a_digest_at_once():
    class Linked:
        pass

    linked = [Linked() for _ in range(60)]
    for one in linked:
        one.others = list(linked)
    before = digest(linked)
    assert digest(copy.deepcopy(linked)) == before
    linked[59].gain = 2
    assert digest(linked) != before
