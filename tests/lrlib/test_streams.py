"""Random streams, and the origin that all seeds count from: 0 changes nothing, another one moves everything."""

import ast
import hashlib
import inspect
import pathlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import lrlib
from lrlib import (
    filter_normalised,
    fit,
    initial_model,
    initialize,
    sharpness,
    steps,
    streams,
    sweep,
    sweep_steps,
    tasks,
    trace,
)
from lrlib._base.streams import Noise, Order, generator, moved, numbered, origin, remembered, seeded, seeds_from
from lrlib.choosing.finder.threshold import Trials
from lrlib.runs.sweeps import jobs
from lrlib.tasks import cache

SEEDS = st.integers(0, 2**31 - 1)
ORIGINS = st.integers(1, 2**40)
NAMES = st.sampled_from(["order", "noise", "forward", "augment", "ticks/train", ""])
SMALL = {"train": 40, "valid": 20, "test": 20}
TASKS = {
    tasks.breast_cancer: {},
    tasks.character_transformer: SMALL | {"context": 8, "width": 8},
    tasks.convex_logistic: {"train": 40, "test": 20, "features": 5},
    tasks.digits: {},
    tasks.mnist1d: SMALL,
    tasks.mnist1d_sphere: SMALL,
    tasks.sparse_logistic: SMALL | {"features": 8},
    tasks.ticks: SMALL,
}
NOTHING_DRAWN = {tasks.double_well, tasks.quadratic}  # but the noise of their gradients
PARTS = [
    (make, part)
    for make in TASKS
    for part in ("train", "valid", "test")
    if (make, part) != (tasks.convex_logistic, "valid")  # it has none
]
ZERO_WEIGHTS = {tasks.convex_logistic, tasks.sparse_logistic}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LRLIB_CACHE", str(tmp_path))
    tasks.data._mnist1d.cache_clear()
    yield tmp_path
    tasks.data._mnist1d.cache_clear()


def of(number, make):
    """What a function gives with the seeds counted from a number."""
    with seeds_from(number):
        return make()


def tensors(thing):
    """All numbers of an array, a tensor, a dict or a list of them, as one array."""
    if isinstance(thing, dict):
        thing = list(thing.values())
    if isinstance(thing, (list, tuple)):
        return np.concatenate([tensors(part) for part in thing])
    return np.asarray(thing, dtype=float).ravel()


def assert_moves(make):
    """The same at origin 0 as without one, and the same each time; other numbers at two other origins."""
    usual, zero, five, again, six = (tensors(found) for found in (make(), *(of(n, make) for n in (0, 5, 5, 6))))
    np.testing.assert_array_equal(usual, zero)
    np.testing.assert_array_equal(five, again)
    for one, two in ((usual, five), (usual, six), (five, six)):
        assert one.shape != two.shape or not np.array_equal(one, two)


@given(seed=SEEDS, name=NAMES, block=st.integers(0, 10**6))
def test_from_zero_every_stream_is_what_its_name_says(seed, name, block):
    digest = hashlib.blake2b(f"{seed}/{name}/{block}".encode(), digest_size=8).digest()
    for found in (generator(seed, name, block), of(0, lambda: generator(seed, name, block))):
        assert found.initial_seed() == int.from_bytes(digest, "little") >> 1
    assert moved(seed, name) == numbered(seed).initial_seed() == seed


@given(seed=SEEDS, name=NAMES, block=st.integers(0, 10**6), one=ORIGINS, two=ORIGINS)
def test_another_origin_moves_every_stream(seed, name, block, one, two):
    def numbers():
        return [generator(seed, name, block).initial_seed(), moved(seed, name), numbered(seed).initial_seed()]

    usual, first, second = numbers(), of(one, numbers), of(two, numbers)
    assert not {*usual} & {*first} and first == of(one, numbers)
    assert (first == second) == (one == two)


@given(one=ORIGINS, two=SEEDS, seed=SEEDS, other=SEEDS)
def test_no_seed_of_one_origin_is_a_seed_of_another(one, two, seed, other):
    assert one == two or of(one, lambda: moved(seed)) != of(two, lambda: moved(other))


def test_the_origin_is_put_back_whatever_happens_inside():
    with pytest.raises(ZeroDivisionError), seeds_from(3), seeds_from(4):
        assert origin() == 4
        raise ZeroDivisionError
    assert origin() == 0
    with seeds_from(3):
        with seeds_from(0):
            assert moved(7) == 7
        assert origin() == 3


@pytest.mark.parametrize("wrong, error", [(-1, ValueError), (1.5, TypeError), ("3", TypeError), (True, TypeError)])
def test_an_origin_is_a_whole_number(wrong, error):
    with pytest.raises(error, match="seeds_from must be a whole number"), seeds_from(wrong):
        pass
    assert origin() == 0


def test_a_generator_in_the_place_of_a_seed_is_taken_as_it_is():
    own = generator(3, "forward", 7)
    for number in (0, 5):
        with seeds_from(number), seeded(own):
            drawn = torch.rand(3)
        assert torch.equal(drawn, torch.rand(3, generator=own.manual_seed(own.initial_seed())))


def test_the_table_holds_every_task_on_drawn_data():
    """A new task on data belongs into `TASKS`."""
    made = {getattr(tasks, name) for name in tasks.__all__ if inspect.isfunction(getattr(tasks, name))}
    making = {f for f in made if {"batch", "steps"} & {*inspect.signature(f).parameters}}
    assert making == {*TASKS} | NOTHING_DRAWN


@pytest.mark.parametrize("make, part", PARTS, ids=lambda value: getattr(value, "__name__", value))
def test_the_data_of_every_task_move(make, part):
    def data():
        task = make(**TASKS[make])
        return task.train_for(0) if part == "train" else getattr(task, part)

    assert_moves(data)


@pytest.mark.parametrize("make", [make for make in TASKS if make not in ZERO_WEIGHTS], ids=lambda make: make.__name__)
def test_the_first_weights_of_every_task_move(make):
    assert_moves(lambda: [p.detach() for p in initial_model(make(**TASKS[make]), 0).parameters()])


def linear():
    torch.manual_seed(0)
    return torch.nn.Linear(6, 3)


DRAWS = {
    "batch order": lambda: Order(0, 20, 5).rows(0, 8),
    "gradient noise": lambda: Noise(0, 4).rows(0, 3),
    "augmentation": lambda: tasks.mnist1d(**SMALL, augment=True).augmented(torch.ones(4, 40), seed=0, t=3),
    "features of ticks": lambda: tasks.ticks_features(tasks.ticks(**SMALL), samples=20),
    "a direction": lambda: filter_normalised(linear()),
    "an initialisation": lambda: [p.detach() for p in initialize(linear(), "he", seed=0).parameters()],
    "a trace": lambda: trace(linear(), torch.nn.functional.mse_loss, torch.ones(2, 6), torch.ones(2, 3), rank=0).value,
    "a noisy run": lambda: fit(tasks.double_well(), "sgd", lr=0.01, steps=5).loss,
    "a run with dropout": lambda: fit(tasks.digits(width=8, dropout=0.5), "sgd", lr=0.01, steps=3).loss,
    "annealing": lambda: fit(tasks.quadratic(), "annealed_sgd", lr=0.1, steps=9).loss,
}


@pytest.mark.parametrize("what", DRAWS)
def test_everything_else_that_is_drawn_moves(what):
    assert_moves(DRAWS[what])


def test_what_does_not_hang_on_the_draw_stays():
    model, data = linear(), (torch.randn(9, 6, generator=torch.Generator().manual_seed(1)), torch.ones(9, 3))
    usual, other = (of(n, lambda: sharpness(model, torch.nn.functional.mse_loss, *data)) for n in (0, 9))
    assert float(other) == pytest.approx(float(usual), rel=1e-3)


@pytest.mark.parametrize("path", ["loop", "eager"])
def test_a_lane_of_another_origin_is_the_run_that_it_is_alone(path):
    with seeds_from(11):
        task = tasks.mnist1d(**SMALL, width=8, batch=10, augment=True, dropout=0.3)
        swept = sweep(task, "sgd", lr=[0.1], seeds=[4], steps=7, path=path, dtype=torch.float64)
        alone = fit(task, "sgd", lr=0.1, seed=4, steps=7, dtype=torch.float64)
    np.testing.assert_allclose(swept.loss, alone.loss, rtol=1e-10)


def drawing():
    """A task of which a seed fixes everything: data, weights, order, noise, augmentation and dropout."""
    return tasks.mnist1d(**SMALL, width=8, batch=10, augment=True, dropout=0.3)


RUNS = {
    "a run": lambda task: steps(task, "sgd", lr=0.1, steps=6, evaluate=2),
    "a noisy run": lambda task: steps(tasks.double_well(), "sgd", lr=0.01, steps=6),
    "lanes": lambda task: sweep_steps(task, "sgd", lr=[0.1, 0.2], seeds=2, steps=6, path="eager"),
    "noisy lanes": lambda task: sweep_steps(tasks.double_well(), "sgd", lr=[0.01], steps=6, path="eager"),
    "a loop": lambda task: sweep_steps(task, "sgd", lr=[0.1, 0.2], seeds=2, steps=6, path="loop"),
}


def losses(events):
    """The losses of a generator's events, one row a step."""
    return np.array([event.loss for event in events])


@pytest.mark.parametrize("run", RUNS)
def test_a_run_counts_from_the_origin_it_was_made_in_wherever_its_steps_are_asked_for(run):
    inside, usual = of(11, lambda: losses(RUNS[run](drawing()))), losses(RUNS[run](drawing()))
    after = losses(of(11, lambda: RUNS[run](drawing())))
    waiting = RUNS[run](drawing())
    np.testing.assert_array_equal(after, inside)
    np.testing.assert_array_equal(of(11, lambda: losses(waiting)), usual)
    assert not np.array_equal(inside, usual)


@pytest.mark.parametrize("run", RUNS)
def test_between_two_steps_of_a_run_the_origin_is_the_callers(run):
    made = of(11, lambda: RUNS[run](drawing()))
    with seeds_from(3):
        assert [origin() for _ in made] == [3] * 6
    made = of(11, lambda: RUNS[run](drawing()))
    next(made)
    made.close()
    assert origin() == 0 and list(made) == []


def test_rates_that_are_tried_later_count_from_the_origin_of_their_description(tmp_path):
    def trials(**where):
        return Trials(tasks.double_well(), "sgd", budgets=[5], seeds=2, **where)

    def tried(found):
        found.share(0.01, 5)
        return found.records[0.01].loss

    inside = of(11, lambda: tried(trials()))
    for where in ({}, {"lanes": 1}, {"folder": tmp_path}):
        np.testing.assert_array_equal(tried(of(11, lambda: trials(**where))), inside)
    again = of(11, lambda: trials(folder=tmp_path))
    tried(again)
    assert "taken" in again.records[0.01].path_reason


def test_parts_in_other_processes_count_from_the_same_origin(monkeypatch):
    """What is sent to a worker, which knows of no origin, is worked off here outside of the block."""
    sent = []

    def late(joblib, count, arrivals):
        load = jobs.packed(next(iter(arrivals.missing().values())).part([]))
        for k, piece in arrivals.missing().items():
            sent.append(k)
            arrivals.add(*of(0, lambda: jobs._part(k, jobs._lane_wise(piece), load, title="late")))
        return "late"

    monkeypatch.setattr(jobs, "_compute", late)
    with seeds_from(11):
        task = tasks.mnist1d(**SMALL, width=8, batch=10)
        settings = dict(lr=[0.1, 0.2], seeds=2, steps=5, path="loop")
        parts, whole = sweep(task, "sgd", jobs=2, **settings), sweep(task, "sgd", **settings)
    usual = sweep(tasks.mnist1d(**SMALL, width=8, batch=10), "sgd", **settings)
    assert len(sent) == 2 and np.array_equal(parts.loss, whole.loss)
    assert not np.array_equal(usual.loss, whole.loss)


def test_a_part_on_disk_is_not_taken_by_another_origin(tmp_path):
    """Weights and data of a double well are the same for every seed: only its noise moves."""

    def run():
        return sweep(tasks.double_well(), "sgd", lr=[0.01], steps=5, path="loop", jobs=1, folder=tmp_path / "parts")

    first, second, third = run(), of(5, run), of(5, run)
    assert "taken" not in second.path_reason and "taken" in third.path_reason
    assert not np.array_equal(first.loss, second.loss) and np.array_equal(second.loss, third.loss)


def test_a_checkpoint_is_not_continued_from_another_origin(tmp_path):
    run = dict(lr=0.01, steps=5, checkpoint=tmp_path / "run.pt")
    fit(tasks.double_well(), "sgd", **run)
    with pytest.raises(ValueError, match="seeds from is 0, not 5"), seeds_from(5):
        fit(tasks.double_well(), "sgd", **run)


@given(arguments=st.dictionaries(st.text(max_size=3), st.integers(), max_size=3), one=ORIGINS, two=ORIGINS)
def test_two_origins_never_share_a_file(arguments, one, two):
    usual, first, second = (of(n, lambda: cache.path_of("data", arguments)) for n in (0, one, two))
    assert usual == cache.path_of("data", arguments) != first and (first == second) == (one == two)


def test_every_origin_has_files_of_its_own_and_reads_them_again(folder, monkeypatch):
    for n in (0, 5, 6):
        of(n, lambda: tasks.mnist1d(**SMALL).train_for(0))
    assert len(list(folder.glob("mnist1d-*.npz"))) == 9
    tasks.data._mnist1d.cache_clear()
    monkeypatch.setattr(tasks.data, "_make_mnist1d", lambda arguments: pytest.fail("made again"))
    for n in (0, 5, 6):
        of(n, lambda: tasks.mnist1d(**SMALL).train_for(0))


@given(seed=SEEDS, one=ORIGINS)
def test_seeds_of_held_out_sets_stay_apart_from_those_of_training_sets(seed, one):
    held = (tasks.data.VALID_SEED, tasks.data.TEST_SEED)
    with seeds_from(one):
        assert 0 <= tasks.data._number(seed) < 2**31 <= min(map(tasks.data._number, held))
        assert max(map(tasks.data._number, held)) < 2**32
    assert [tasks.data._number(s) for s in (seed, *held)] == [seed, *held]


def test_what_is_remembered_is_remembered_for_its_origin():
    calls = []

    @remembered(maxsize=8)
    def drawn(seed, scale=1):
        calls.append(seed)
        return scale * moved(seed)

    assert [drawn(3), drawn(3), drawn(3, scale=2)] == [3, 3, 6] and calls == [3, 3]
    other = of(5, lambda: [drawn(3), drawn(3)])
    assert other[0] == other[1] != 3 and drawn(3) == 3 and len(calls) == 3
    drawn.cache_clear()
    assert drawn(3) == 3 and len(calls) == 4


ALLOWED = {  # resampling of what was measured, which is no draw of a run
    "lrlib": {"streams.py", "dropout.py", "statistics.py", "regimes.py"},
    "experiments": {"best_range.py"},
}
SOURCES = [pathlib.Path(lrlib.__file__).parent, pathlib.Path(__file__).parents[2] / "book" / "experiments"]


@pytest.mark.parametrize("folder_", SOURCES, ids=lambda path: path.name)
def test_nothing_is_seeded_past_the_streams(folder_):
    """A seed that goes to a library itself goes through `moved`, `numbered`, `seeded` or `generator`."""
    past = []
    for path in sorted(folder_.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and path.name not in ALLOWED[folder_.name]:
                name = ast.unparse(node.func).split(".")[-1]
                through = any("moved(" in ast.unparse(argument) for argument in node.args)
                if name in ("manual_seed", "default_rng", "RandomState") and not through:
                    past.append(f"{path.name}: {ast.unparse(node)}")
    assert past == []


NO_SEEDS = ["a", "3", -1, 1.5, 3.0, True, None, [3], 2**63, 2**70, torch.tensor(0.5)]


def entered(*arguments):
    with seeded(*arguments):
        pass


SEEDED = {
    "generator": lambda seed: generator(seed, "noise"),
    "moved": moved,
    "numbered": numbered,
    "seeded": entered,
    "Order": lambda seed: Order(seed, 3, 2),
    "Noise": lambda seed: Noise(seed, 3),
    "initial_model": lambda seed: initial_model(tasks.quadratic(), seed),
}


@pytest.mark.parametrize("call", SEEDED.values(), ids=SEEDED)
@pytest.mark.parametrize("number", [0, 1], ids=["origin 0", "origin 1"])
@pytest.mark.parametrize("wrong", NO_SEEDS, ids=repr)
def test_what_is_no_seed_is_refused_by_name_and_not_rounded(call, number, wrong):
    with pytest.raises((TypeError, ValueError), match="^seed must be "):
        of(number, lambda: call(wrong))


@pytest.mark.parametrize("call", SEEDED.values(), ids=SEEDED)
@pytest.mark.parametrize("seed", [0, np.int64(3), torch.tensor(3), 2**63 - 1], ids=repr)
def test_a_seed_is_any_whole_number_up_to_the_largest(call, seed):
    call(seed)


ORDER, NOISE = Order(0, 3, 2), Noise(0, 2)
MISTAKES = [
    (lambda: generator(0, 2), "stream must be a text; got 2"),
    (lambda: generator(0, None), "stream must be a text; got None"),
    (lambda: generator(0, "noise", "b"), "block must be a whole number of at least 0; got 'b'"),
    (lambda: generator(0, "noise", -1), "block must be a whole number of at least 0; got -1"),
    (lambda: generator(0, "noise", 1.5), "block must be a whole number of at least 0; got 1.5"),
    (lambda: Order(0, "a", 2), "n must be a whole number of at least 1; got 'a'"),
    (lambda: Order(0, 3, 2.5), "batch must be a whole number of at least 1; got 2.5"),
    (lambda: Order(0, 3, 4), "batch must be between 1 and the 3 training examples; got 4"),
    (lambda: Noise(0, 0), "size must be a whole number of at least 1; got 0"),
    *((lambda s=s: s.rows(-2, 1), "start must be a whole number of at least 0; got -2") for s in (ORDER, NOISE)),
    *((lambda s=s: s.rows("a", 1), "start must be a whole number of at least 0; got 'a'") for s in (ORDER, NOISE)),
    *((lambda s=s: s.rows(2, 1), "stop must be a whole number of at least 2; got 1") for s in (ORDER, NOISE)),
    (lambda: initial_model(3, 0), "task must be a lrlib.Task; got 3"),
    (lambda: initial_model(tasks.quadratic(), 0, 3), "dtype must be a floating-point torch.dtype, .*; got 3"),
    (lambda: initial_model(tasks.quadratic(), 0, torch.int64), "dtype must be a floating-point torch.dtype"),
    (lambda: initial_model(tasks.quadratic(), 0, device="abacus"), "device 'abacus' is not available here"),
    (lambda: streams.random_state("abacus"), "device 'abacus' is not available here"),
    (lambda: entered(0, 3), "device '3' is not available here"),
    (lambda: streams.is_lazy(3), "model must be a torch.nn.Module; got int"),
]


@pytest.mark.parametrize(("call", "words"), MISTAKES, ids=range(len(MISTAKES)))
def test_mistakes_are_named(call, words):
    with pytest.raises((TypeError, ValueError), match=f"^{words}"):
        call()


def test_a_stream_may_have_any_name():
    one, other = (torch.rand(1, generator=generator(0, name)) for name in ("順番", "雑音"))
    assert one != other
