"""First weights: bit for bit torch's where it draws the same, sklearn's mutual information, placebo, bad input."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score
from torch import nn

from lrlib import he, initialize, mutual_information, orthogonal, relevance, tasks, xavier

FEW = settings(max_examples=30, deadline=None)
SHAPES = st.lists(st.integers(1, 6), min_size=2, max_size=4)


def g(seed=0):
    return torch.Generator().manual_seed(seed)


def pair(shape, dtype):
    return torch.empty(shape, dtype=dtype), torch.empty(shape, dtype=dtype)


@FEW
@given(shape=SHAPES, seed=st.integers(0, 99), gain=st.floats(0.1, 5), double=st.booleans())
def test_bit_for_bit_the_draws_of_torch(shape, seed, gain, double):
    a, b = pair(shape, torch.float64 if double else torch.float32)
    for distribution, theirs in (("normal", nn.init.xavier_normal_), ("uniform", nn.init.xavier_uniform_)):
        assert torch.equal(xavier(a, g(seed), gain=gain, distribution=distribution), theirs(b, gain, generator=g(seed)))
    assert torch.equal(orthogonal(a, g(seed), gain=gain), nn.init.orthogonal_(b, gain, generator=g(seed)))
    for mode in ("fan_in", "fan_out"):
        for nonlinearity in ("relu", "leaky_relu", "tanh", "linear"):
            for distribution, theirs in (("normal", nn.init.kaiming_normal_), ("uniform", nn.init.kaiming_uniform_)):
                ours = he(a, g(seed), nonlinearity=nonlinearity, slope=0.2, mode=mode, distribution=distribution)
                assert torch.equal(ours, theirs(b, 0.2, mode, nonlinearity, generator=g(seed)))


def network():
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 2, bias=False)
    )


@pytest.mark.parametrize("kind", ["xavier", "he", "orthogonal"])
def test_a_module_is_drawn_in_order_from_seed_generator_or_the_global_one(kind):
    made = [initialize(network(), kind, seed=3), initialize(network(), kind, generator=g(3))]
    model = network()
    torch.manual_seed(3)
    made.append(initialize(model, kind))
    function = {"xavier": xavier, "he": he, "orthogonal": orthogonal}[kind]
    draws = g(3)
    expected = [function(model[i].weight, draws) for i in (0, 3, 5)]
    for net in made:
        assert all(torch.equal(net[i].weight, w) for i, w in zip((0, 3, 5), expected))
        assert not net[0].bias.any() and not net[3].bias.any() and torch.equal(net[1].weight, torch.ones(3))


def test_a_seed_leaves_the_global_generator_and_bias_can_be_kept():
    model = network()
    kept, state = model[3].bias.detach().clone(), torch.get_rng_state()
    initialize(model, "he", seed=1, bias=None)
    assert torch.equal(torch.get_rng_state(), state) and torch.equal(model[3].bias, kept)
    assert (initialize(model, "he", seed=1, bias=0.5)[3].bias == 0.5).all()


def test_the_task_mlp_has_the_variance_of_he():
    torch.manual_seed(5)
    assert tasks.mlp([400, 300, 2])[0].weight.var().item() == pytest.approx(
        he(torch.empty(300, 400), g()).var().item(), rel=0.05
    )


def test_low_precision_weights_can_be_orthogonal():
    w = orthogonal(torch.empty(4, 8, dtype=torch.bfloat16), g())
    assert w.dtype == torch.bfloat16 and torch.allclose((w.float() @ w.float().T), torch.eye(4), atol=0.05)


# ---- mutual information


@FEW
@given(n=st.integers(20, 200), bins=st.integers(2, 12), classes=st.integers(2, 4), seed=st.integers(0, 99))
def test_the_information_is_that_of_sklearn_minus_the_correction(n, bins, classes, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, 2)), rng.integers(0, classes, n)
    x[:, 0] += y
    cut = np.searchsorted(np.quantile(x[:, 0], np.linspace(0, 1, bins + 1)[1:-1], method="inverted_cdf"), x[:, 0])
    correction = (len(set(cut)) - 1) * (len(set(y)) - 1) / (2 * n)
    assert mutual_information(x, y, bins)[0] == pytest.approx(mutual_info_score(cut, y) - correction, abs=1e-12)


@pytest.mark.parametrize("share", [0.03, 0.2, 0.9, 0.97])
def test_an_input_with_two_values_keeps_all_its_information(share):
    y = np.arange(1000) < 1000 * share
    expected = -(share * np.log(share) + (1 - share) * np.log(1 - share)) - 1 / 2000
    for x in (y, ~y, np.where(y, 16.0, np.arange(1000) % 12)):
        found = mutual_information(np.asarray(x, float)[:, None], y)[0]
        assert found > 0.85 * expected and found < expected + 1e-3
    assert mutual_information(np.ones((1000, 1)), y)[0] == 0


def test_without_information_the_corrected_value_is_about_zero():
    rng = np.random.default_rng(0)
    values = mutual_information(rng.normal(size=(500, 400)), rng.integers(0, 3, 500))
    error = 4 * values.std() / np.sqrt(400)
    assert abs(values.mean()) < error < 0.01 and error < 9 * 2 / 1000  # the correction is 0.018


def test_real_targets_are_cut_as_well_and_tensors_are_taken():
    x = torch.linspace(-1, 1, 200)[:, None]
    assert mutual_information(x, x[:, 0] + 0.001)[0] == pytest.approx(np.log(10) - 81 / 400, abs=1e-3)


def by_information(**options):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    x = rng.normal(size=(400, 6))
    x[:, 2] += 3 * y
    return x, y, initialize(tasks.mlp([6, 500, 2]), "mutual_information", seed=7, x=x, y=y, **options)


def test_columns_are_scaled_by_their_relevance_and_the_rest_is_he():
    x, y, model = by_information()
    plain = initialize(tasks.mlp([6, 500, 2]), "he", seed=7)
    w = relevance(x, y)
    assert torch.allclose(model[0].weight, plain[0].weight * torch.tensor(np.sqrt(w / w.mean()), dtype=torch.float32))
    assert torch.equal(model[2].weight, plain[2].weight)
    total = model[0].weight.square().mean().item()
    assert total == pytest.approx(2 / 6, rel=0.15) and model[0].weight[:, 2].std() > 3 * model[0].weight[:, 0].std()


def test_the_placebo_has_the_same_factors_in_another_order():
    x, y, model = by_information()
    _, _, placebo = by_information(placebo=True)
    plain = initialize(tasks.mlp([6, 500, 2]), "he", seed=7)
    factors, moved = ((m[0].weight / plain[0].weight).median(0).values for m in (model, placebo))
    assert torch.allclose(factors.sort().values, moved.sort().values) and not torch.allclose(factors, moved)
    assert torch.equal(placebo[2].weight, plain[2].weight)


def test_an_exclusive_or_is_plain_he():
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 25)
    model = initialize(tasks.mlp([2, 8, 2]), "mutual_information", seed=1, x=x, y=x[:, 0] ^ x[:, 1])
    assert torch.equal(model[0].weight, initialize(tasks.mlp([2, 8, 2]), "he", seed=1)[0].weight)


X = np.zeros((4, 6))


@pytest.mark.parametrize(
    ("kind", "options", "match", "error"),
    [
        ("zeros", {}, "kind must be one of", ValueError),
        ("he", {"mode": "fan"}, "mode must be", ValueError),
        ("he", {"distribution": "cauchy"}, "distribution must", ValueError),
        ("he", {"nonlinearity": "step"}, "nonlinearity", ValueError),
        ("he", {"gain": 2.0}, "gain", TypeError),
        ("he", {"slope": "a"}, "slope must be", TypeError),
        ("xavier", {"gain": 0.0}, "gain must be", ValueError),
        ("orthogonal", {"gain": True}, "gain must be", TypeError),
        ("he", {"bias": "0"}, "bias must be", TypeError),
        ("he", {"seed": 1.7}, "seed must be a whole", TypeError),
        ("he", {"seed": 0, "generator": g()}, "not both", ValueError),
        ("mutual_information", {}, "missing", TypeError),
        ("mutual_information", {"x": X[:, :5], "y": np.zeros(4)}, "x must have the 6 inputs", ValueError),
        ("mutual_information", {"x": X, "y": np.zeros(3)}, "x and y must be", ValueError),
        ("mutual_information", {"x": X, "y": np.zeros(4), "bins": 1}, "bins must", ValueError),
        ("mutual_information", {"x": X + np.nan, "y": np.zeros(4)}, "must be finite", ValueError),
        ("mutual_information", {"x": X, "y": np.zeros(4), "floor": 0.0}, "floor must be", ValueError),
    ],
)
def test_wrong_arguments_change_nothing(kind, options, match, error):
    model = tasks.mlp([6, 4, 2])
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(error, match=match):
        initialize(model, kind, **options)
    assert all(torch.equal(v, before[n]) for n, v in model.state_dict().items())


def test_models_without_weights_are_refused():
    for model in (nn.ReLU(), nn.LazyLinear(3)):
        with pytest.raises(ValueError, match="model: "):
            initialize(model, "he")


@pytest.mark.gpu
def test_a_seed_means_the_same_on_a_gpu():
    ours, theirs = initialize(network(), "he", seed=2), initialize(network().cuda(), "he", seed=2)
    assert theirs[3].weight.is_cuda and torch.equal(ours[3].weight, theirs[3].weight.cpu())


def test_a_computed_weight_is_refused_instead_of_being_lost():
    model = nn.Sequential(nn.Linear(3, 4), nn.utils.parametrizations.weight_norm(nn.Linear(4, 2)))
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match="computed from other parameters"):
        initialize(model, "he", seed=0)
    assert all(torch.equal(v, before[n]) for n, v in model.state_dict().items())
    with pytest.raises(TypeError, match="model must be"):
        initialize(5, "he")


@pytest.mark.parametrize("draw", [xavier, he, orthogonal])
def test_what_is_no_weight_is_named(draw):
    for shape in ((5,), (0, 5), (5, 0)):
        with pytest.raises(ValueError, match="weight must be"):
            draw(torch.empty(shape))
    for wrong in (5, torch.empty(3, 3, dtype=torch.int64)):
        with pytest.raises(TypeError, match="weight must be"):
            draw(wrong)


def test_information_takes_tensors_of_any_kind():
    x, y = np.arange(12.0).reshape(6, 2) % 5, np.array([0, 1, 1, 0, 1, 0])
    expected = mutual_information(x, y, bins=3)
    for tensor in (torch.tensor(x, requires_grad=True), torch.tensor(x).bfloat16(), torch.tensor(x).int()):
        np.testing.assert_array_equal(mutual_information(tensor, torch.tensor(y), bins=3), expected)
