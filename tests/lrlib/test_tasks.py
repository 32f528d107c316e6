"""Tasks: data that are right, cached, reproducible, and leave the caller's random state alone."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from lrlib import fit, sweep, tasks
from lrlib.tasks import cache

SMALL = {"train": 50, "valid": 20, "test": 20}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LRLIB_CACHE", str(tmp_path))
    tasks.data._mnist1d.cache_clear()
    yield tmp_path
    tasks.data._mnist1d.cache_clear()


def states():
    return (
        random.getstate(),
        np.random.get_state()[1].tolist(),
        np.random.get_state()[2],
        torch.get_rng_state().tolist(),
    )


@pytest.mark.parametrize(
    "make",
    [
        tasks.digits,
        tasks.breast_cancer,
        tasks.sparse_logistic,
        tasks.convex_logistic,
        tasks.quadratic,
        tasks.double_well,
    ],
)
def test_every_task_gives_a_finite_loss_and_leaves_the_random_state(make):
    before = states()
    task = make()
    x, y = task.train_for(0)
    assert states() == before
    output = task.model()(x)
    assert torch.isfinite(task.loss(output, y)) and task.loss(output, y).ndim == 0
    assert torch.isfinite(task.metric(output, y)) and task.metric(output, y).ndim == 0


@pytest.mark.parametrize("make", [tasks.digits, tasks.breast_cancer])
def test_another_split_cuts_the_same_examples_otherwise_and_a_wrong_one_is_named(make):
    usual, same, other = (make(split=number) for number in (0, 0, 1))
    assert all(torch.equal(getattr(usual, part)[1], getattr(same, part)[1]) for part in ("train", "valid", "test"))
    assert not torch.equal(usual.test[1], other.test[1])
    assert sum(part[1].sum() for part in (usual.train, usual.valid, usual.test)) == sum(
        part[1].sum() for part in (other.train, other.valid, other.test)
    )
    for wrong in (-1, 2.5, 2**63):
        with pytest.raises((TypeError, ValueError), match="split must be .* got"):
            make(split=wrong)


def test_digits_and_breast_cancer_are_standardised_and_parts_do_not_overlap():
    for task, dims in ((tasks.digits(), None), (tasks.breast_cancer(), 0)):
        x = task.train[0]
        mean, std = (x.mean(), x.std()) if dims is None else (x.mean(0), x.std(0))
        assert torch.allclose(mean, torch.zeros_like(mean), atol=1e-4)
        assert torch.allclose(std, torch.ones_like(std), atol=1e-4)
        rows = [{tuple(r) for r in part[0].tolist()} for part in (task.train, task.valid, task.test)]
        assert not rows[0] & rows[1] and not rows[0] & rows[2] and not rows[1] & rows[2]


def test_mnist1d_fresh_sets_differ_by_seed_and_share_validation(folder):
    before = states()
    task = tasks.mnist1d(**SMALL)
    (x0, y0), (x1, _), again = task.train_for(0), task.train_for(1), task.train_for(0)
    assert states() == before
    assert x0.shape == (50, 40) and y0.dtype == torch.int64 and sorted(np.bincount(y0).tolist()) == [5] * 10
    assert not torch.equal(x0, x1) and torch.equal(x0, again[0])
    fixed = tasks.mnist1d(**SMALL, fresh=False)
    assert torch.equal(fixed.train[0], x0) and torch.equal(fixed.valid[0], task.valid[0])


def test_mnist1d_comes_from_disk_and_a_broken_file_is_made_again(folder, monkeypatch):
    first = tasks.mnist1d(**SMALL).train_for(3)
    calls = []
    real = tasks.data._make_mnist1d
    monkeypatch.setattr(tasks.data, "_make_mnist1d", lambda a: calls.append(a) or real(a))
    tasks.data._mnist1d.cache_clear()
    assert torch.equal(tasks.mnist1d(**SMALL).train_for(3)[0], first[0]) and calls == []
    for file in folder.glob("*.npz"):
        file.write_bytes(file.read_bytes()[:100])
    tasks.data._mnist1d.cache_clear()
    assert torch.equal(tasks.mnist1d(**SMALL).train_for(3)[0], first[0]) and len(calls) == 3
    tasks.data._mnist1d.cache_clear()
    tasks.mnist1d(**SMALL).train_for(3)
    assert len(calls) == 3 and not list(folder.glob("*.tmp"))


def test_mnist1d_knobs_reach_the_generator_and_wrong_ones_are_named(folder):
    clean = tasks.mnist1d(**SMALL, iid_noise_scale=0.0, corr_noise_scale=0.0).train_for(0)[0]
    assert not torch.equal(clean, tasks.mnist1d(**SMALL).train_for(0)[0])
    with pytest.raises(ValueError, match="unknown knob 'noise'"):
        tasks.mnist1d(**SMALL, noise=1)
    with pytest.raises(ValueError, match="train must be a positive multiple of 10; got 55"):
        tasks.mnist1d(train=55)
    with pytest.raises(ValueError, match="seed is set by the task"):
        tasks.mnist1d(seed=3)


def test_cache_hashes_the_arguments_and_survives_an_unwritable_folder(folder, monkeypatch):
    assert cache.path_of("a", {"n": 1}) != cache.path_of("a", {"n": 2})
    blocker = folder / "file"
    blocker.write_text("x", encoding="utf-8")
    monkeypatch.setenv("LRLIB_CACHE", str(blocker))
    with pytest.warns(UserWarning, match="made again each time"):
        assert cache.cached("a", {}, lambda: {"y": np.ones(2)})["y"].tolist() == [1, 1]


def test_sparse_features_have_their_frequencies():
    task = tasks.sparse_logistic(train=20000)
    x, _ = task.train_for(5)
    p = task.details["frequencies"]
    assert ((x.mean(0) - p).abs() <= 5 * (p * (1 - p) / len(x)).sqrt() + 1e-6).all()
    assert task.details["weights"].abs().eq(1).all()


def test_convex_logistic_optimum_is_least():
    task = tasks.convex_logistic(train=200)
    model = task.model().double()
    x, y = (t.double() for t in task.train)
    optimizer = torch.optim.LBFGS(
        model.parameters(), max_iter=200, tolerance_grad=1e-12, tolerance_change=1e-16, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        loss = task.loss(model(x), y)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert 0 <= closure().item() - task.optimum + 1e-12 < 1e-9
    assert torch.allclose(model.w.detach(), task.details["weights"], atol=1e-5)
    assert task.details["strong"] >= 0.01


@pytest.mark.parametrize("kind", ["tilted", "dent"])
def test_double_well_has_two_bottoms_a_bounded_slope_and_its_own_derivative(kind):
    f = tasks.Well(kind)
    x = np.linspace(-20, 20, 4001)
    assert f.left < f.barrier < f.right and f(x).min() >= -1e-9
    assert f(f.barrier) > max(f(f.left), f(f.right))
    assert np.abs(f.slope(x)).max() < 20
    t = torch.tensor(x, requires_grad=True)
    f(t).sum().backward()
    assert np.allclose(t.grad, f.slope(x), atol=1e-9)
    smooth = np.abs(np.abs(x) - f.bound) > 0.05
    assert np.allclose(np.gradient(f(x), x)[smooth], f.slope(x)[smooth], atol=0.01)
    sharper = "left" if f.curvatures[0] > f.curvatures[1] else "right"
    assert (sharper == f.lower) == (kind == "tilted")


def test_a_task_of_ones_own_from_a_data_loader_and_its_mistakes():
    x, y = torch.randn(12, 3), torch.arange(12) % 2
    data = torch.utils.data.TensorDataset(x, y)
    loader = torch.utils.data.DataLoader(data, batch_size=4)
    usual = dict(
        name="mine",
        model=lambda: tasks.mlp([3, 4, 2]),
        train=loader,
        valid=None,
        test=data,
        loss=nn.functional.cross_entropy,
        metric=tasks.accuracy,
        batch=4,
        steps=10,
    )
    task = tasks.Task(**usual)
    assert torch.equal(task.train[0], x) and torch.equal(task.test[1], y)
    for kind, change, match in (
        (TypeError, {"loss": None}, "loss must be callable"),
        (ValueError, {"steps": 0}, "steps must be a whole number"),
        (ValueError, {"train": (x, y[:3])}, "as many x as y"),
        (TypeError, {"valid": x}, "valid must be a pair"),
        (TypeError, {"batch": 2.5}, "batch must be a whole number"),
        (ValueError, {"noise": -1}, "noise must be a finite number of at least 0"),
    ):
        with pytest.raises(kind, match=match):
            tasks.Task(**usual | change)


def plain(**change):
    x = torch.randn(12, 3, generator=torch.Generator().manual_seed(0))
    return tasks.Task(
        **dict(
            name="mine",
            model=lambda: tasks.mlp([3, 4, 2]),
            train=(x, torch.arange(12) % 2),
            valid=None,
            test=None,
            loss=nn.functional.cross_entropy,
            metric=tasks.accuracy,
            batch=4,
            steps=10,
        )
        | change
    )


def test_a_part_of_a_dataset_stays_a_part_and_other_samplers_are_refused():
    data, utils = torch.utils.data.TensorDataset(torch.arange(12.0).view(6, 2), torch.arange(6)), torch.utils.data
    some = [4, 1, 2]

    def task(train):
        return tasks.Task("part", nn.Module, train, None, None, nn.functional.mse_loss, tasks.accuracy, 2, 2)

    for part in (
        utils.Subset(data, some),
        utils.DataLoader(utils.Subset(data, some)),
        utils.DataLoader(data, sampler=utils.SubsetRandomSampler(some)),
    ):
        assert task(part).train[1].tolist() == some
    with pytest.raises(ValueError, match="WeightedRandomSampler"):
        task(utils.DataLoader(data, sampler=utils.WeightedRandomSampler([1.0] * 6, 3)))
    for wrong in (utils.Subset(data, []), utils.TensorDataset(torch.zeros(3, 2))):
        with pytest.raises(ValueError, match=r"pairs \(x, y\)"):
            task(wrong)


class Pairs(torch.utils.data.Dataset):
    """What a function makes of each index, twelve long."""

    def __init__(self, make):
        self.make = make

    def __len__(self):
        return 12

    def __getitem__(self, i):
        return self.make(i)


class OwnBatches(torch.utils.data.BatchSampler):
    """Batches of a subclass of one's own."""


def test_what_a_loader_does_beside_drawing_examples_is_refused():
    utils = torch.utils.data
    data = utils.TensorDataset(torch.arange(24.0).view(12, 2), torch.arange(12))
    order, weighted = utils.SequentialSampler(data), utils.WeightedRandomSampler([1.0] * 12, 12)
    for loader, match in (
        (utils.DataLoader(data, collate_fn=lambda rows: rows), "collate_fn of the DataLoader would have no .* augment"),
        (utils.DataLoader(data, batch_sampler=OwnBatches(order, 4, False)), "batch_sampler of the DataLoader"),
        (utils.DataLoader(data, batch_sampler=utils.BatchSampler(weighted, 4, False)), "WeightedRandomSampler"),
        (utils.DataLoader(data, batch_size=None), "batch_size=None of the DataLoader"),
        (utils.DataLoader(data, sampler=utils.RandomSampler(data, True)), "replacement of the DataLoader"),
    ):
        for field in ("train", "valid", "test"):
            with pytest.raises(ValueError, match=f"^task 'mine': {field}: .*{match}"):
                plain(**{field: loader})
    for loader in (
        utils.DataLoader(data, batch_size=5, shuffle=True, drop_last=True),
        utils.DataLoader(data, batch_sampler=utils.BatchSampler(order, 4, False)),
    ):
        assert torch.equal(plain(train=loader).train[1], torch.arange(12))


def test_a_dataset_gives_one_value_for_an_index_and_all_of_one_shape():
    for make, kind, match in (
        (lambda i: (torch.rand(2), i), ValueError, "two different values for the index 0.* augment"),
        (lambda i: (torch.zeros(2), torch.rand(1)), ValueError, "two different values"),
        (lambda i: (torch.zeros(2 + i), i), ValueError, "must have one shape"),
        (lambda i: ("word", i), TypeError, "x of index 0 must be a tensor or an array of numbers"),
        (lambda i: torch.zeros(2), ValueError, r"must hold pairs \(x, y\)"),
    ):
        for data in (Pairs(make), torch.utils.data.DataLoader(Pairs(make))):
            with pytest.raises(kind, match=f"^task 'mine': train: .*{match}"):
                plain(train=data)
    same = plain(train=Pairs(lambda i: (np.array([i, np.nan]), i)))
    assert same.train[0][:, 0].tolist() == list(range(12)) and same.train[1].tolist() == list(range(12))


@pytest.mark.parametrize("field", ["train", "valid", "test"])
def test_data_that_are_no_pair_of_tensors_are_named(field):
    x, y = torch.zeros(4, 3), torch.zeros(4)
    for wrong, match in (
        ("False", "pair .* got str"),
        (b"x", "pair .* got bytes"),
        ({"x": x, "y": y}, "pair .* got dict"),
        ((x.numpy(), y.numpy()), r"pair .* got \(ndarray, ndarray\)"),
        (([0.0], [1]), r"pair .* got \(list, list\)"),
        ((x, y, y), "pair .* got"),
        (x, "pair .* got Tensor"),
        ((x, y[:3]), "as many x as y.* got 4 and 3"),
        ((x[:0], y[:0]), "as many x as y"),
        ((x, torch.tensor(1.0)), "as many x as y.* a tensor without axes"),
    ):
        with pytest.raises((TypeError, ValueError), match=f"^task 'mine': {field} must .*{match}"):
            plain(**{field: wrong})
        if field == "train":
            drawn = plain(train=lambda seed, wrong=wrong: wrong)
            with pytest.raises(
                (TypeError, ValueError), match=f"^task 'mine': train, as drawn for seed 7, must .*{match}"
            ):
                drawn.train_for(7)


def test_a_network_in_the_place_of_its_function_is_one_sentence():
    with pytest.raises(TypeError, match=r"^task 'mine': model must be a function .* write lambda: Linear\(…\)"):
        plain(model=nn.Linear(3, 2))


def test_a_batch_beyond_the_training_set_is_named_before_a_run():
    with pytest.raises(ValueError, match="batch must be at most"):
        plain(batch=10**30)
    for run in (fit, sweep):
        with pytest.raises(ValueError, match="batch must be between 1 and the 12 training examples; got 13"):
            run(plain(batch=13))


def test_augmented_depends_on_seed_and_step_alone():
    task = plain(augment=lambda x, g: x + torch.randn(x.shape, generator=g))
    x, before = task.train[0], states()
    assert torch.equal(task.augmented(x, 1, 5), task.augmented(x, 1, 5)) and states() == before
    assert not torch.equal(task.augmented(x, 1, 5), task.augmented(x, 1, 6))
    assert not torch.equal(task.augmented(x, 1, 5), task.augmented(x, 2, 5))
    assert plain().augmented(x, 1, 5) is x
    for wrong in (lambda x, g: x[1:], lambda x, g: x.double(), lambda x, g: None):
        with pytest.raises(ValueError, match="augment must keep shape"):
            plain(augment=wrong).augmented(x, 0, 0)


@pytest.mark.parametrize(("penalise", "names"), [("weights", {"0.weight", "2.weight"}), ("all", None)])
def test_the_penalty_and_its_gradient_are_the_formula(penalise, names):
    task = plain(l1=0.3, l2=0.7, penalise=penalise)
    model = task.model().double()
    for p in model.parameters():
        p.data += 0.1
    parameters = dict(model.named_parameters())
    chosen = [p for n, p in parameters.items() if names is None or n in names]
    expected = sum(0.3 * p.abs().sum() + 0.35 * (p**2).sum() for p in chosen)
    assert torch.allclose(task.penalty(parameters), expected) and torch.equal(
        task.penalty(parameters.values()), task.penalty(parameters)
    )
    task.penalty(parameters).backward()
    for n, p in parameters.items():
        wanted = 0.3 * p.sign() + 0.7 * p if names is None or n in names else None
        assert (p.grad is None) if wanted is None else torch.allclose(p.grad, wanted)


def test_l2_is_the_weight_decay_of_gradient_descent_and_no_penalty_is_the_loss_itself():
    task, bare = plain(l2=0.2, penalise="all"), plain()
    model = task.model()
    x, y = task.train
    output = model(x)
    parameters = dict(model.named_parameters())
    assert bare.objective(output, y, parameters).item() == bare.loss(output, y).item() and bare.penalty(parameters) == 0
    task.objective(output, y, parameters).backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    task.loss(model(x), y).backward()
    for p, g in zip(model.parameters(), gradients):
        assert torch.allclose(g, p.grad + 0.2 * p, atol=1e-6)


def test_the_penalty_can_be_batched_over_lanes():
    task = plain(l1=0.3, l2=0.7)
    stacked = {"weight": torch.randn(5, 3, 2), "bias": torch.randn(5, 2)}
    lanes = torch.func.vmap(torch.func.grad(task.penalty))(stacked)
    assert (
        torch.allclose(lanes["weight"], 0.3 * stacked["weight"].sign() + 0.7 * stacked["weight"])
        and not lanes["bias"].any()
    )


@pytest.mark.parametrize(
    ("change", "match", "kind"),
    [
        ({"steps": 1.7}, "steps must be a whole", TypeError),
        ({"steps": True}, "steps must be a whole", TypeError),
        ({"batch": True}, "batch must be a whole", TypeError),
        ({"noise": True}, "noise must be a finite", TypeError),
        ({"l1": -1.0}, "l1 must be a finite number of at least 0", ValueError),
        ({"l2": float("inf")}, "l2 must be", ValueError),
        ({"l2": "0.1"}, "l2 must be", TypeError),
        ({"penalise": "biases"}, "penalise must be", ValueError),
        ({"augment": 3}, "augment must be callable", TypeError),
        ({"name": None}, "name must be a text", TypeError),
        ({"optimum": "0"}, "optimum must be", TypeError),
        ({"metric_name": 3}, "metric_name must be a text", TypeError),
        ({"details": None}, "details must be a dict", TypeError),
    ],
)
def test_a_field_of_the_wrong_kind_is_named(change, match, kind):
    with pytest.raises(kind, match=match):
        plain(**change)


@pytest.mark.parametrize(
    "options",
    [
        {"dropout": 0.3},
        {"batch_norm": True},
        {"dropout": 0.3, "batch_norm": True},
        {"network": "conv"},
        {"network": "conv", "dropout": 0.5, "batch_norm": False},
    ],
)
def test_ready_made_tasks_take_regularised_networks(folder, options):
    for task in (
        tasks.digits(**options, augment=True, l1=1e-4),
        tasks.mnist1d(**SMALL, **options, augment=True, l2=1e-3),
    ):
        x = task.augmented(task.train_for(0)[0][:10], 0, 0)
        model = task.model()
        kinds = [type(m).__name__ for m in model]
        assert any("BatchNorm" in k for k in kinds) == options.get("batch_norm", options.get("network") == "conv")
        assert ("Dropout" in kinds) == ("dropout" in options) and any("Conv" in k for k in kinds) == (
            "network" in options
        )
        assert model(x).shape == (10, 10)
        assert task.objective(model(x), task.train_for(0)[1][:10], dict(model.named_parameters())).ndim == 0


def test_dropout_and_batch_norm_leave_the_first_weights_of_a_seed():
    made = []
    for options in ({}, {"dropout": 0.3, "batch_norm": True}):
        torch.manual_seed(3)
        made.append([m.weight for m in tasks.mlp([4, 8, 8, 2], **options) if isinstance(m, nn.Linear)])
    assert all(torch.equal(a, b) for a, b in zip(*made))


@pytest.mark.parametrize(
    ("wrong", "match", "kind"),
    [
        ({"network": "rnn"}, "network must be", ValueError),
        ({"dropout": 1.0}, "dropout must be a number of at least 0 and below 1", ValueError),
        ({"width": 1.7}, "width must be a whole", TypeError),
        ({"depth": True}, "depth must be a whole", TypeError),
        ({"valid": 1.5}, "valid must be", TypeError),
    ],
)
def test_a_wrong_option_of_a_ready_made_task_is_named(wrong, match, kind):
    with pytest.raises(kind, match=match):
        tasks.digits(**wrong)


@pytest.mark.parametrize(
    ("make", "match", "kind"),
    [
        (lambda: tasks.breast_cancer(width=1.7), "width must be", TypeError),
        (lambda: tasks.breast_cancer(depth=True), "depth must be", TypeError),
        (lambda: tasks.breast_cancer(batch_norm=1), "batch_norm must be", TypeError),
        (lambda: tasks.sparse_logistic(features=1.7), "features must be", TypeError),
        (lambda: tasks.sparse_logistic(train=True), "train must be", TypeError),
        (lambda: tasks.convex_logistic(penalty=0), "penalty must be", ValueError),
        (lambda: tasks.convex_logistic(condition=0.5), "condition must be", ValueError),
        (lambda: tasks.convex_logistic(test=2.5), "test must be", TypeError),
        (lambda: tasks.mlp([3]), "sizes must be a list of 2 to 1,000 whole numbers", ValueError),
        (lambda: tasks.mlp([3, 1.7]), "sizes must be", TypeError),
        (lambda: tasks.mlp([3, True]), "sizes must be", TypeError),
        (lambda: tasks.conv_net((3, 4, 5)), "shape must be", ValueError),
        (lambda: tasks.conv_net((8, 8), depth=0), "depth must be", ValueError),
        (lambda: tasks.quadratic(curvatures=(1.0, True)), "curvatures must be", TypeError),
        (lambda: tasks.quadratic(start="a"), "start must be", TypeError),
        (lambda: tasks.quadratic([]), "curvatures must be at least one", ValueError),
        (lambda: tasks.quadratic("a"), "curvatures must be", TypeError),
        (lambda: tasks.conv_net((8,), classes=0), "classes must be", ValueError),
        (
            lambda: tasks.frequency_error(tasks.sparse_logistic(4, 9, 9, 9), {"weight": np.zeros((1, 4))}, bins=0),
            "bins must be",
            ValueError,
        ),
        (lambda: tasks.double_well(start=True), "start must be", TypeError),
        (lambda: tasks.double_well(steps=1.5), "steps must be", TypeError),
        (lambda: tasks.conv_net((8, 8), depth=10**30), "depth must be at most 1,000", ValueError),
        (lambda: tasks.conv_net(8), "shape must be a list of whole numbers; got 8", TypeError),
        (lambda: tasks.mlp("843"), "sizes must be a list of whole numbers; got '843'", TypeError),
        (lambda: tasks.mlp([4, 10**30, 2]), "sizes must be at most 100,000", ValueError),
        (lambda: tasks.mlp([4] * 10**4), "sizes must be a list of 2 to 1,000 whole numbers", ValueError),
        (lambda: tasks.digits(depth=10**30), "depth must be at most 1,000", ValueError),
        (lambda: tasks.digits(width=10**30), "width must be at most 100,000", ValueError),
        (lambda: tasks.digits(network=["mlp"]), "network must be", ValueError),
        (lambda: tasks.mnist1d(valid=10**30), "mnist1d: valid must be at most 1,000,000", ValueError),
        (lambda: tasks.mnist1d_sphere(valid=10**30), "mnist1d: valid must be at most 1,000,000", ValueError),
        (lambda: tasks.mnist1d_sphere(train=50, radius=1e39), "radius must be at most 3.40282e.38", ValueError),
        (lambda: tasks.mnist1d(corr_noise_scale="0.1"), "mnist1d: corr_noise_scale must be a finite number", TypeError),
        (lambda: tasks.mnist1d(final_seq_length=10**9), "mnist1d: final_seq_length must be at most", ValueError),
        (lambda: tasks.mnist1d(shuffle_seq="no"), "mnist1d: shuffle_seq must be True or False", TypeError),
        (lambda: tasks.mnist1d(padding=3), "mnist1d: padding must be two whole numbers", TypeError),
        (lambda: tasks.mnist1d(noise=3), "mnist1d: unknown knob 'noise'", ValueError),
        (lambda: tasks.sparse_logistic(features=10**30), "features must be at most 100,000", ValueError),
        (lambda: tasks.sparse_logistic(train=10**30), "train must be at most 1,000,000", ValueError),
        (lambda: tasks.convex_logistic(features=10**5), "features must be at most 10,000", ValueError),
        (lambda: tasks.ticks(margin=0.9999999), "margin must be a number of at least 0 and below 0.99", ValueError),
        (lambda: tasks.ticks(features=10**30), "features must be at most", ValueError),
        (lambda: tasks.ticks_features(3), "task must be one of tasks.ticks; got 3", TypeError),
        (lambda: tasks.frequency_error(tasks.quadratic(), {}), "task must be one of tasks.sparse_logistic", ValueError),
        (lambda: tasks.distance(tasks.convex_logistic(), {"w": "a"}), r"parameters\['w'\] must be numbers", TypeError),
        (lambda: tasks.distance(tasks.convex_logistic(), 3), "parameters must be a dict with the array 'w'", TypeError),
        (lambda: tasks.quadratic(b"x"), "curvatures must be a number or a list of numbers; got b'x'", TypeError),
        (lambda: tasks.quadratic(1e300), "curvatures must be at most 3.40282e.38 in torch.float32", ValueError),
        (lambda: tasks.quadratic(start=[1e39]), "start must be at most 3.40282e.38 in torch.float32", ValueError),
        (lambda: tasks.double_well(kind=["dent"]), "kind must be one of", ValueError),
        (lambda: tasks.double_well(start=1e39), "start must be at most 3.40282e.38", ValueError),
        (lambda: tasks.unit_sphere(1e39), "norm must be at most 3.40282e.38", ValueError),
        (lambda: tasks.scale_invariant_mlp([4, 8, 2], readout=1e300), "readout must be at most", ValueError),
        (lambda: tasks.scale_invariant_mlp([4, 2]), "sizes must be a list of 3 to 1,000", ValueError),
        (lambda: tasks.FrozenLinear(10**30, 1), "inputs must be at most 100,000", ValueError),
        (lambda: tasks.CausalTransformer(5, 8, blocks=10**30), "blocks must be at most 1,000", ValueError),
        (lambda: tasks.character_transformer(contrast=1e308), "contrast must be a number .* below 1e.06", ValueError),
        (lambda: tasks.character_transformer(train=10**30), "train must be at most 1,000,000", ValueError),
    ],
)
def test_wrong_numbers_of_the_other_tasks_are_named(make, match, kind):
    with pytest.raises(kind, match=match):
        make()


@pytest.mark.parametrize(
    "options", [{"dropout": 0.2, "batch_norm": True, "l1": 1e-4}, {"network": "conv", "width": 2, "l2": 1e-3}]
)
def test_regularised_tasks_train_alike_alone_and_in_a_sweep(options):
    task = tasks.digits(**{"width": 8, **options}, augment=True, steps=6)
    usual = dict(dtype=torch.float64, momentum=0.8)
    together = sweep(task, "momentum", lr=[0.02, 0.1], seeds=[4, 1], path="eager", **usual)
    for lane in range(4):
        alone = fit(task, "momentum", lr=together.lr0[lane], seed=together.seed[lane], **usual)
        assert np.allclose(alone.loss[0], together.loss[lane], rtol=1e-10)
        assert np.allclose(alone.final("test_loss"), together.final("test_loss")[lane], rtol=1e-10)


@pytest.mark.parametrize(
    "make",
    [
        lambda flag: tasks.breast_cancer(standardise=flag),
        lambda flag: tasks.mnist1d(10, 10, 10, fresh=flag),
        lambda flag: tasks.mnist1d_sphere(10, 10, 10, fresh=flag),
        lambda flag: tasks.sparse_logistic(4, 9, 9, 9, fresh=flag),
        lambda flag: tasks.ticks(3, 9, 9, fresh=flag),
        lambda flag: tasks.character_transformer(9, 9, 9, fresh=flag),
        lambda flag: tasks.mlp([2, 2, 1], batch_norm=flag),
        lambda flag: tasks.conv_net((8,), batch_norm=flag),
    ],
)
def test_the_switches_of_tasks_are_true_or_false(make, folder):
    for flag in ("False", 1, None, np.nan):
        with pytest.raises(TypeError, match=r"^(\w+: )?(standardise|fresh|batch_norm) must be True or False; got"):
            make(flag)
    assert make(np.False_) is not None


def test_one_curvature_may_be_a_plain_number():
    for one in (4, 4.0, torch.tensor(4.0), np.float64(4.0), [4.0]):
        assert tasks.quadratic(one).details["curvatures"] == (4.0,)


def test_conv_net_of_every_depth_fits_its_input():
    for shape in ((40,), (7, 9)):
        for depth in (1, 2, 4):
            net = tasks.conv_net(shape, classes=3, width=2, depth=depth)
            assert net(torch.zeros(2, int(np.prod(shape)))).shape == (2, 3)


def test_functions_of_a_task_that_draw_without_a_generator_draw_from_the_seed():
    task = tasks.Task(
        "own",
        lambda: nn.Linear(2, 1),
        lambda seed: (torch.randn(8, 2), torch.zeros(8)),
        None,
        None,
        nn.MSELoss(),
        nn.MSELoss(),
        batch=2,
        steps=9,
        augment=lambda x, g: x + torch.randn(x.shape),
    )
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first, augmented = task.train_for(3)[0], task.augmented(torch.zeros(2, 2), 3, 1)
    assert torch.equal(before, torch.get_rng_state())
    torch.rand(1)
    assert torch.equal(first, task.train_for(3)[0]) and not torch.equal(first, task.train_for(4)[0])
    assert torch.equal(augmented, task.augmented(torch.zeros(2, 2), 3, 1))
    assert not torch.equal(augmented, task.augmented(torch.zeros(2, 2), 3, 2))
