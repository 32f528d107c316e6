"""Averages: the formulas, PyTorch's AveragedModel, swapping in and back, state, batch-norm statistics, bad input."""

import contextlib
import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict
from torch.optim import swa_utils

from lrlib import EMA, LAWA, SWA, attach, fit, record_model, tasks, update_batch_norm, warmup

FEW = settings(max_examples=25, deadline=None)
KINDS = [lambda **o: EMA(0.7, **o), lambda **o: EMA(0.7, correct=False, **o), SWA, lambda **o: LAWA(3, **o)]


def net(seed=0, dtype=torch.float64):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 2)).to(dtype)


def walk(model, steps, seed=0):
    """Random moves of all parameters and batch-norm statistics; yields after each."""
    g = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        with torch.no_grad():
            for p in [*model.parameters(), *(b for b in model.buffers() if b.is_floating_point())]:
                p += torch.rand(p.shape, generator=g).to(p)
            model[1].num_batches_tracked += 1
        yield {n: t.clone() for n, t in model.state_dict().items()}


@FEW
@given(xs=st.lists(st.floats(-5, 5), min_size=1, max_size=12), decay=st.floats(0, 0.99), k=st.integers(1, 5))
def test_each_average_is_its_formula(xs, decay, k):
    xs = [torch.tensor(x, dtype=torch.float64) for x in xs]
    weights = [decay ** (len(xs) - 1 - s) for s in range(len(xs))]
    wanted = {
        EMA(decay): sum(w * x for w, x in zip(weights, xs)) / sum(weights),
        EMA(decay, correct=False): weights[0] * xs[0] + sum((1 - decay) * w * x for w, x in zip(weights[1:], xs[1:])),
        SWA(): sum(xs) / len(xs),
        LAWA(k): sum(xs[-k:]) / len(xs[-k:]),
    }
    for average, value in wanted.items():
        assert torch.allclose(average.over([{"x": x} for x in xs])["x"], value, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("buffers", [False, True])
@pytest.mark.parametrize("name", ["ema", "swa"])
def test_equal_to_torch(name, buffers):
    """Torch averages counters of batches, too, and its foreach SWA holds 1/t in float32: so its plain form, floats only."""
    model = net()
    function = {"ema": swa_utils.get_ema_avg_fn(0.9), "swa": swa_utils.get_swa_avg_fn()}[name]
    theirs = swa_utils.AveragedModel(model, use_buffers=buffers, avg_fn=function)
    ours = EMA(0.9, correct=False, buffers=buffers) if name == "ema" else SWA(buffers)
    for _ in walk(model, 30):
        theirs.update_parameters(model)
        ours.update(model)
    with ours.applied(model):
        for key, value in theirs.module.state_dict().items():
            if value.is_floating_point():
                assert torch.allclose(model.state_dict()[key], value, rtol=1e-12, atol=1e-14), key


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_weights_are_lent_and_given_back(make, dtype):
    model, average = net(dtype=dtype), make()
    seen = [state for state in walk(model, 5) if average.update(model) is None]
    before, held = copy.deepcopy(model.state_dict()), dict(model.named_parameters())
    values = average.over([{n: s[n] for n, _ in model.named_parameters()} for s in seen])
    with pytest.raises(KeyError), average.applied(model) as lent:
        assert lent is model
        for n, p in model.named_parameters():
            assert p is held[n] and p.dtype == dtype and torch.equal(p, values[n])
        assert torch.equal(model[1].running_mean, before["1.running_mean"])
        model[1].running_mean += 1
        raise KeyError
    assert all(torch.equal(t, before[n]) for n, t in model.state_dict().items())
    assert all(p is held[n] for n, p in model.named_parameters())


def test_an_average_of_half_precision_does_not_stand_still():
    average = EMA(0.999, correct=False)
    for x in [1.0] + [2.0] * 3000:
        average.update({"x": torch.tensor(x, dtype=torch.bfloat16)})
    assert average.values["x"].dtype == torch.bfloat16
    assert average.values["x"].item() == pytest.approx(2 - 0.999**3000, abs=0.01)


@pytest.mark.parametrize("make", KINDS)
@FEW
@given(cut=st.integers(0, 6))
def test_a_stored_state_goes_on_as_if_never_interrupted(make, cut):
    whole, first, resumed = make(), make(), make()
    for t, state in enumerate(walk(net(), 6)):
        whole.update(state)
        if t < cut:
            first.update(state)
        if t == cut:
            saved = first.state_dict()
            resumed.load_state_dict(saved)
            first.update({n: 0 * v for n, v in state.items()})  # must not reach into the copy
        if t >= cut:
            resumed.update(state)
    if cut < 6:
        assert resumed.count == whole.count
        assert all(torch.equal(v, whole.values[n]) for n, v in resumed.values.items())


@pytest.mark.parametrize("make", KINDS)
def test_state_survives_a_file_and_refuses_another_kind(make, tmp_path):
    average = make()
    average.update(net())
    torch.save(average.state_dict(), tmp_path / "a.pt")
    again = make()
    again.load_state_dict(torch.load(tmp_path / "a.pt", weights_only=True))
    assert all(torch.equal(v, average.values[n]) for n, v in again.values.items())
    other = SWA() if not isinstance(average, SWA) else LAWA()
    with pytest.raises(ValueError, match="state must be that of"):
        other.load_state_dict(average.state_dict())
    assert other.count == 0


OTHER_SETTINGS = [
    (EMA(0.9), EMA(0.5), r"EMA\(decay=0.5, correct=True, buffers=False\); got one of EMA\(decay=0.9, correct=True"),
    (EMA(0.9), EMA(0.9, correct=False), "correct=False.*got one of.*correct=True"),
    (SWA(), SWA(buffers=True), "buffers=True.*got one of.*buffers=False"),
    (LAWA(3), LAWA(5), r"LAWA\(k=5, buffers=False\); got one of LAWA\(k=3"),
]


@pytest.mark.parametrize(("one", "other", "words"), OTHER_SETTINGS)
def test_a_state_of_other_settings_is_refused_and_nothing_changes(one, other, words):
    one.update(net())
    with pytest.raises(ValueError, match=f"state must be that of .*{words}"):
        other.load_state_dict(one.state_dict())
    assert other.count == 0
    with pytest.raises(ValueError, match="with count, dtypes, kind, settings"):
        other.load_state_dict({k: v for k, v in one.state_dict().items() if k != "settings"})


def test_following_an_optimizer_takes_the_steps_that_were_asked_for():
    model, average, seen = net(), SWA(), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    handle = average.follow(optimizer, model, start=3, every=2)
    for t in range(1, 10):
        for p in model.parameters():
            p.grad = torch.ones_like(p)
        optimizer.step()
        if t in (5, 7, 9):
            seen.append(model[0].weight.detach().clone())
    handle.remove()
    optimizer.step()
    assert average.count == 3 and average.steps == 9
    assert torch.allclose(average.values["0.weight"], sum(seen) / 3)


def test_a_step_that_mixed_precision_skips_is_not_taken():
    model, average = nn.Linear(1, 1), EMA()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, fused=True)
    average.follow(optimizer, model)
    optimizer.found_inf = torch.tensor(1.0)
    optimizer.step()
    optimizer.found_inf = torch.tensor(0.0)
    optimizer.step()
    assert (average.count, average.steps) == (1, 1)


@pytest.mark.parametrize("attached", [False, True])
def test_torchs_own_step_with_rate_0_is_not_taken(attached):
    """torch.distributed.checkpoint fills an empty state by a step with rate 0."""
    model, average = nn.Linear(1, 1), EMA()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    average.follow(optimizer, model)
    if attached:
        attach(optimizer, warmup(4))
    get_optimizer_state_dict(model, optimizer)
    assert (average.count, average.steps) == (0, 0)
    model(torch.ones(2, 1)).sum().backward()
    optimizer.step()
    assert (average.count, average.steps) == (1, 1)


def test_a_step_that_calls_its_parents_is_taken_once():
    class Own(torch.optim.SGD):
        def step(self, closure=None):
            return super().step(closure)

    model, average = nn.Linear(1, 1), SWA()
    torch.optim.SGD(model.parameters())
    optimizer = Own(model.parameters(), lr=0.1)
    average.follow(optimizer, model)
    for _ in range(3):
        optimizer.step()
    assert (average.count, average.steps) == (3, 3)


def test_a_wrapper_that_only_hands_on_is_followed_and_another_is_named():
    class Wrapper(torch.optim.Optimizer):
        def __init__(self, optimizer):
            self.optimizer = optimizer

        param_groups = property(lambda self: self.optimizer.param_groups)
        state = property(lambda self: self.optimizer.state)

        def step(self, closure=None):
            return self.optimizer.step(closure)

    model, average = nn.Linear(1, 1), SWA()
    wrapped = Wrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    handle = average.follow(wrapped, model)
    wrapped.step()
    handle.remove()
    handle.remove()
    wrapped.step()
    assert (average.count, average.steps) == (1, 1)
    Wrapper.state = {}
    with pytest.raises(TypeError, match=r"Wrapper wraps SGD .* its \.optimizer"):
        average.follow(wrapped, model)


@pytest.mark.parametrize("model_given", [True, False])
def test_parameters_that_come_later_are_averaged_with_the_model_or_said(model_given):
    model, average = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1)), SWA()
    optimizer = torch.optim.SGD(model[1].parameters(), lr=0.1)
    average.follow(optimizer, model if model_given else None)
    seen = []
    for t in range(4):
        if t == 2:
            optimizer.add_param_group({"params": model[0].parameters()})
        model(torch.ones(3, 2)).sum().backward()
        said = pytest.warns(UserWarning, match="other parameters than when follow was called")
        with said if t >= 2 and not model_given else contextlib.nullcontext():
            optimizer.step()
        seen.append({n: p.detach().clone() for n, p in model.named_parameters()})
    assert average.count == average.steps == 4
    for name, value in average.values.items():
        name = name if model_given else {"0": "1.weight", "1": "1.bias"}[name]
        assert torch.allclose(value, sum(weights[name] for weights in seen) / 4)
    assert len(average.values) == (4 if model_given else 2)


@pytest.mark.parametrize("make", KINDS)
def test_stacked_weights_are_averaged_lane_by_lane_and_records_are_taken(make):
    class Some:
        def __init__(self, parameters):
            self.parameters = parameters

    g = np.random.default_rng(0)
    points = [{"w": g.normal(size=(4, 2, 3)), "b": g.normal(size=(4, 2))} for _ in range(6)]
    together = make().over([Some(p) for p in points])
    assert isinstance(together["w"], np.ndarray) and together["w"].shape == (4, 2, 3)
    for lane in range(4):
        alone = make().over([{n: v[lane] for n, v in p.items()} for p in points])
        assert all(np.array_equal(alone[n], together[n][lane]) for n in alone)


def test_whole_numbers_are_those_of_the_latest_and_buffers_can_be_averaged():
    average = SWA(buffers=True)
    model = net()
    states = [s for s in walk(model, 3) if average.update(model) is None]
    assert average.values["1.num_batches_tracked"].item() == 3
    mean = sum(s["1.running_mean"] for s in states) / 3
    assert torch.allclose(average.values["1.running_mean"], mean)


def test_the_weights_of_a_fit_are_averaged_through_its_optimizer():
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    task = tasks.Task(
        "rows", lambda: tasks.mlp([3, 4, 1]), (x, x[:, :1]), None, None, nn.MSELoss(), nn.MSELoss(), 8, 30
    )
    average, seen = LAWA(3), []

    def make(parameters):
        optimizer = torch.optim.SGD(parameters, lr=0.1)
        average.follow(optimizer, every=5)
        optimizer.register_step_post_hook(
            lambda o, a, k: seen.append([p.detach().clone() for p in o.param_groups[0]["params"]])
        )
        return optimizer

    record = fit(task, make)
    model = record_model(task, record)
    before = [p.detach().clone() for p in model.parameters()]
    with average.applied(list(model.parameters())):
        for place, p in enumerate(model.parameters()):
            assert torch.allclose(p, sum(seen[t][place] for t in (19, 24, 29)) / 3)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(before, seen[-1]))


WRAPPED = {
    "torch.compile": lambda m: torch.compile(m, backend="eager"),
    "DataParallel": nn.DataParallel,
    "both": lambda m: torch.compile(nn.DataParallel(m), backend="eager"),
    "a part compiled": lambda m: nn.Sequential(torch.compile(m[0], backend="eager"), *list(m)[1:]),
}


@pytest.mark.parametrize("buffers", [False, True])
@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=list(WRAPPED))
def test_the_average_of_a_wrapped_model_is_that_of_the_plain_one(wrap, buffers):
    plain, average, alone = net(), SWA(buffers), SWA(buffers)
    wrapped = wrap(plain)
    for _ in walk(plain, 3):
        alone.update(plain)
        average.update(wrapped)
    assert average.values.keys() == alone.values.keys()
    for one, model in ((average, plain), (alone, wrapped)):
        with one.applied(model):
            assert all(torch.equal(p, alone.values[n]) for n, p in plain.named_parameters())


def test_wrappers_names_are_left_out_of_dicts_and_beside_buffers_of_their_own():
    plain = net()
    names = [name for name, _ in plain.named_parameters()]
    for average, source in (
        (SWA(), {f"module._orig_mod.{name}": p for name, p in plain.named_parameters()}),
        (SWA(), {f"module.{name}": p.detach().numpy() for name, p in plain.named_parameters()}),
        (SWA(), swa_utils.AveragedModel(plain)),
    ):
        average.update(source)
        assert list(average.values) == names
    assert all(isinstance(v, np.ndarray) for v in SWA().over([{"module.w": np.ones(2)}]).values())
    counted = SWA(buffers=True)
    counted.update(swa_utils.AveragedModel(plain))
    assert set(counted.values) == {"n_averaged", *names, *(name for name, _ in plain.named_buffers())}


def test_a_module_that_is_called_module_is_no_wrapper_where_others_lie_beside_it():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.module, self.head = nn.Linear(2, 2), nn.Linear(2, 1)

    average = SWA()
    average.update(Two())
    assert list(average.values) == ["module.weight", "module.bias", "head.weight", "head.bias"]
    with pytest.raises(ValueError, match="two weights have one name"):
        average.update({"_orig_mod.weight": torch.ones(1), "weight": torch.ones(1)})


# ---- batch-norm statistics


def test_batch_norm_statistics_equal_torchs_without_dropout():
    batches = [(torch.randn(8, 3, dtype=torch.float64), None) for _ in range(5)]
    ours, theirs = net(), net()
    ours[3].p = theirs[3].p = 0.0
    update_batch_norm(ours, batches)
    swa_utils.update_bn(batches, theirs)
    for name, value in theirs.state_dict().items():
        assert torch.allclose(ours.state_dict()[name], value, rtol=1e-12), name


def test_batch_norm_statistics_draw_nothing_and_keep_modes():
    model = net()
    model[1].eval()
    modes, momentum, state = [m.training for m in model.modules()], model[1].momentum, torch.get_rng_state()
    x = torch.randn(6, 4, dtype=torch.float64)
    deep = nn.Sequential(nn.Dropout(0.9), nn.BatchNorm1d(4)).double()
    state = torch.get_rng_state()
    update_batch_norm(deep, [x])
    assert torch.allclose(deep[1].running_mean, x.mean(0)) and torch.allclose(deep[1].running_var, x.var(0))
    update_batch_norm(model, [torch.ones(4, 3, dtype=torch.float64)])
    assert torch.equal(torch.get_rng_state(), state)
    assert [m.training for m in model.modules()] == modes and model[1].momentum == momentum


def test_batch_norm_statistics_are_put_back_after_a_failure():
    for batches, error in (([], ValueError), ([torch.ones(4, 3, dtype=torch.float64), "no tensor"], TypeError)):
        model = net()
        list(walk(model, 2))
        before = copy.deepcopy(model.state_dict())
        with pytest.raises(error):
            update_batch_norm(model, batches)
        assert all(torch.equal(t, before[n]) for n, t in model.state_dict().items()) and model.training
    update_batch_norm(nn.Linear(1, 1), None)  # nothing to measure


def test_averaged_weights_with_measured_statistics_work_and_leave_no_trace():
    model, average = net(), EMA(0.5)
    for _ in walk(model, 4):
        average.update(model)
    before = copy.deepcopy(model.state_dict())
    x = torch.randn(64, 3, dtype=torch.float64)
    with average.applied(model):
        update_batch_norm(model, [x])
        hidden = model[0](x)
        assert torch.allclose(model[1].running_mean, hidden.mean(0)) and torch.allclose(
            model[1].running_var, hidden.var(0)
        )
    assert all(torch.equal(t, before[n]) for n, t in model.state_dict().items())


# ---- bad input


@pytest.mark.parametrize(
    ("make", "match", "kind"),
    [
        (lambda: EMA(1.0), "decay must be a number of at least 0 and below 1", ValueError),
        (lambda: EMA(True), "decay must be", TypeError),
        (lambda: EMA(math.nan), "decay must be", ValueError),
        (lambda: LAWA(1.7), "k must be a whole", TypeError),
        (lambda: LAWA(True), "k must be a whole", TypeError),
        (lambda: LAWA(0), "k must be a whole", ValueError),
        (lambda: SWA().values, "nothing was averaged yet", ValueError),
        (lambda: SWA().over([]), "nothing was averaged yet", ValueError),
        (lambda: SWA().update([]), "source must be a module", TypeError),
        (lambda: SWA().update(3), "source must be a module", TypeError),
        (lambda: SWA().update({}), "source must be a module", TypeError),
        (lambda: SWA().follow(torch.optim.SGD([torch.ones(1)]), None, every=0), "every must be", ValueError),
        (lambda: SWA().follow(None), "optimizer must be", TypeError),
        (lambda: SWA().follow(torch.optim.SGD([torch.ones(1)]), 5), "source must be", TypeError),
        (lambda: SWA().update(nn.ReLU()), "without any", ValueError),
        (lambda: update_batch_norm(5, []), "model must be", TypeError),
        (lambda: SWA().load_state_dict(None), "state must be that of SWA", ValueError),
        (lambda: SWA().load_state_dict({"kind": "SWA"}), "state must be that of SWA, with count", ValueError),
        (lambda: SWA().follow(torch.optim.SGD([torch.ones(1)]), None, start=1.7), "start must be", TypeError),
    ],
)
def test_wrong_arguments_are_named(make, match, kind):
    with pytest.raises(kind, match=match):
        make()


@pytest.mark.parametrize("make", KINDS)
def test_other_weights_are_refused_and_nothing_changes(make):
    average, model = make(), nn.Linear(2, 1)
    average.update(model)
    before = {n: v.clone() for n, v in average.values.items()}
    for wrong in (nn.Linear(3, 1), nn.Linear(2, 1, bias=False), {"weight": torch.ones(1, 2), "bias": torch.ones(2)}):
        with pytest.raises(ValueError, match="weights must be those averaged so far"):
            average.update(wrong)
    with pytest.raises(ValueError, match="weights must be those"), average.applied(nn.Linear(3, 1)):
        pass
    with average.applied(model):
        with pytest.raises(RuntimeError, match="leave the applied block"):
            average.update(model)
        with pytest.raises(RuntimeError, match="in a model already"), average.applied(model):
            pass
    assert average.count == 1 and all(torch.equal(v, before[n]) for n, v in average.values.items())


@pytest.mark.gpu
@pytest.mark.parametrize("make", KINDS)
def test_averages_live_where_the_weights_do_and_resume_on_another_device(make):
    model, average = net(dtype=torch.float32).cuda(), make()
    average.update(model)
    again = make()
    again.load_state_dict({**average.state_dict(), "tensors": copy.deepcopy(make_cpu(average.state_dict()["tensors"]))})
    for a in (average, again):
        a.update(model)
        assert all(v.is_cuda for v in a.values.values())
        with a.applied(model):
            assert model[0].weight.is_cuda


def make_cpu(tensors):
    return [make_cpu(t) for t in tensors] if isinstance(tensors, list) else {n: t.cpu() for n, t in tensors.items()}


@pytest.mark.parametrize("wrong", ["False", 0, 1, None, float("nan")])
def test_switches_of_averages_are_true_or_false(wrong):
    for make, name in ((EMA, "buffers"), (EMA, "correct"), (SWA, "buffers"), (LAWA, "buffers")):
        with pytest.raises(TypeError, match=f"^{name} must be True or False; got"):
            make(**{name: wrong})
        assert getattr(make(**{name: np.True_}), name) is True


def test_a_network_with_lazy_layers_cannot_be_averaged_before_its_first_call():
    model, average = torch.nn.LazyLinear(2), EMA()
    with pytest.raises(ValueError, match="^source has lazy layers without weights yet"):
        average.update(model)
    model(torch.zeros(1, 3))
    average.update(model)
    assert average.values["weight"].shape == (2, 3)
