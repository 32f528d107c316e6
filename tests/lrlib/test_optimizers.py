"""Each optimizer equals torch.optim's in float64, through groups, decay, closures, saving and loading."""

import copy
import inspect
import math
import pickle
import weakref

import numpy as np
import pytest
import torch

from lrlib import optimizers, range_test, rules
from lrlib.methods.optimizers.compiled import program

PAIRS = {
    "sgd": (torch.optim.SGD, {}),
    "momentum": (torch.optim.SGD, {"momentum": 0.9}),
    "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "adagrad": (torch.optim.Adagrad, {}),
    "rmsprop": (torch.optim.RMSprop, {}),
    "adam": (torch.optim.Adam, {}),
    "adamw": (torch.optim.AdamW, {}),
}
NAMES = list(PAIRS)
ALL = list(optimizers.CLASSES)
PATHS = [
    (name, path) for name in ALL for path in ("eager", "fused") if path == "eager" or rules.get(name).kind == "element"
]


@pytest.fixture
def traced(monkeypatch):
    """Fused steps that run the traced rule without compiling it."""
    monkeypatch.setitem(program.BACKENDS, "inductor", program.BACKENDS["eager"])
    monkeypatch.setattr(program, "PROGRAMS", {})


def net():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        layers = [torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)]
    return torch.nn.Sequential(*layers).double()


def batch(t):
    generator = torch.Generator().manual_seed(t)
    return (torch.randn(16, 4, generator=generator, dtype=torch.float64), torch.randint(3, (16,), generator=generator))


def train(model, optimizer, steps, start=0):
    for t in range(start, start + steps):
        x, y = batch(t)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model


def assert_same(ours, theirs, tolerance=1e-12):
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=tolerance, atol=tolerance)


def both(name, shared=None, groups=None):
    """Return (model, optimizer) of ours and of torch's with the same options."""
    cls, options = PAIRS[name]
    pairs = []
    for make in (
        lambda p: optimizers.make(name, p, **(shared or {})),
        lambda p: cls(p, **{**options, **(shared or {})}),
    ):
        model = net()
        pairs.append((model, make(groups(model) if groups else model.parameters())))
    return pairs


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "shared",
    [{}, {"lr": 0.05}, {"lr": 0.02, "weight_decay": 0.1}, {"lr": 0.01, "weight_decay": 0.1, "maximize": True}],
    ids=["defaults", "rate", "decay", "maximize"],
)
def test_equals_torch_over_120_steps(name, shared):
    (ours, a), (theirs, b) = both(name, shared)
    start = copy.deepcopy(ours)
    assert_same(train(ours, a, 120), train(theirs, b, 120))
    assert (next(ours.parameters()) - next(start.parameters())).abs().max() > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_defaults_are_torchs(name):
    cls, options = PAIRS[name]
    theirs = cls([torch.zeros(1, requires_grad=True)], **options).defaults
    theirs["beta1"], theirs["beta2"] = theirs.get("betas", (None, None))
    for option, value in rules.get(name).defaults.items():
        assert theirs[option] == value, option


@pytest.mark.parametrize("name", NAMES)
def test_parameter_groups_keep_their_own_options(name):
    def groups(model):
        return [
            {"params": model[0].parameters(), "lr": 0.03, "weight_decay": 0.0},
            {"params": model[2].parameters(), "weight_decay": 0.2},
        ]

    (ours, a), (theirs, b) = both(name, {"lr": 0.01}, groups)
    assert_same(train(ours, a, 60), train(theirs, b, 60))


@pytest.mark.parametrize(
    ("name", "ours", "theirs"),
    [
        ("adam", {"beta1": 0.8, "beta2": 0.95, "eps": 1e-3}, {"betas": (0.8, 0.95), "eps": 1e-3}),
        ("adam", {"beta1": 0.0, "beta2": 0.5}, {"betas": (0.0, 0.5)}),
        ("rmsprop", {"alpha": 0.9, "eps": 1e-2}, {"alpha": 0.9, "eps": 1e-2}),
        ("adagrad", {"eps": 0.1}, {"eps": 0.1}),
        ("nesterov", {"momentum": 0.5}, {"momentum": 0.5, "nesterov": True}),
        ("momentum", {"momentum": 0.0}, {"momentum": 0.0}),
    ],
)
def test_other_options_equal_torchs(name, ours, theirs):
    a, b = net(), net()
    train(a, optimizers.make(name, a.parameters(), lr=0.02, **ours), 100)
    train(b, PAIRS[name][0](b.parameters(), lr=0.02, **theirs), 100)
    assert_same(a, b)


@pytest.mark.parametrize("name", NAMES)
def test_saving_and_loading_changes_nothing(name, tmp_path):
    straight = net()
    train(straight, optimizers.make(name, straight.parameters(), lr=0.02), 40)
    model = net()
    optimizer = optimizers.make(name, model.parameters(), lr=0.02)
    train(model, optimizer, 20)
    torch.save(optimizer.state_dict(), tmp_path / "o.pt")
    fresh = optimizers.make(name, model.parameters(), lr=0.5)
    fresh.load_state_dict(torch.load(tmp_path / "o.pt", weights_only=True))
    train(model, fresh, 20, start=20)
    assert_same(model, straight, tolerance=0)


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))])
def test_a_copied_optimizer_goes_on_alike(clone):
    model = net()
    optimizer = optimizers.Adam(model.parameters(), lr=0.02)
    train(model, optimizer, 10)
    twin, twins = clone((model, optimizer))
    assert_same(train(model, optimizer, 10, start=10), train(twin, twins, 10, start=10), tolerance=0)


@pytest.mark.parametrize("name", NAMES)
def test_a_closure_gives_its_loss_and_the_same_step(name):
    a, b = net(), net()
    one = optimizers.make(name, a.parameters(), lr=0.02)
    two = optimizers.make(name, b.parameters(), lr=0.02)
    for t in range(5):
        x, y = batch(t)

        def closure(x=x, y=y):
            one.zero_grad()
            loss = torch.nn.functional.cross_entropy(a(x), y)
            loss.backward()
            return loss

        expected = torch.nn.functional.cross_entropy(a(x), y).item()
        assert one.step(closure).item() == expected
        train(b, two, 1, start=t)
    assert_same(a, b, tolerance=0)


def test_parameters_without_gradient_wait_and_keep_their_own_step():
    (ours, a), (theirs, b) = both("adam", {"lr": 0.02})
    for model, optimizer in ((ours, a), (theirs, b)):
        for t in range(20):
            x, y = batch(t)
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x), y).backward()
            if t % 3:
                model[0].weight.grad = None
            optimizer.step()
    assert_same(ours, theirs)


@pytest.mark.parametrize("name", NAMES)
def test_a_tensor_rate_equals_a_number(name):
    a, b = net(), net()
    train(a, optimizers.make(name, a.parameters(), lr=torch.tensor(0.02, dtype=torch.float64)), 20)
    train(b, optimizers.make(name, b.parameters(), lr=0.02), 20)
    assert_same(a, b, tolerance=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_stay_the_same_tensors_and_keep_their_dtype(name):
    model = net().float()
    before = [(p.data_ptr(), p.dtype) for p in model.parameters()]
    optimizer = optimizers.make(name, model.parameters(), lr=torch.tensor(0.1, dtype=torch.float64))
    model(torch.ones(2, 4)).sum().backward()
    optimizer.step()
    assert [(p.data_ptr(), p.dtype) for p in model.parameters()] == before
    assert optimizer.path == "eager"


@pytest.mark.parametrize("name", NAMES)
def test_torchs_schedulers_drive_them(name):
    (ours, a), (theirs, b) = both(name, {"lr": 0.02})
    for model, optimizer in ((ours, a), (theirs, b)):
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 30)
        for t in range(30):
            train(model, optimizer, 1, start=t)
            scheduler.step()
    assert_same(ours, theirs)


def test_sparse_and_complex_are_refused_before_anything_changes():
    x, rare = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(3))
    x.grad, rare.grad = torch.ones(3), torch.ones(3).to_sparse()
    with pytest.raises(TypeError, match="Adam needs dense gradients; got layout torch.sparse_coo"):
        optimizers.Adam([x, rare]).step()
    assert torch.equal(x, torch.ones(3))
    z = torch.nn.Parameter(torch.ones(2, dtype=torch.complex64))
    z.grad = torch.ones_like(z)
    with pytest.raises(TypeError, match="SGD needs real parameters; got dtype torch.complex64"):
        optimizers.SGD([z]).step()


@pytest.mark.parametrize(
    ("build", "error", "words"),
    [
        (lambda p: optimizers.SGD(p, lr=-1.0), ValueError, "sgd: lr must be finite and at least 0"),
        (
            lambda p: optimizers.AdaBelief(p, betas=(0.9, 0.99)),
            TypeError,
            "adabelief: unknown option 'betas'.*beta1, beta2",
        ),
        (lambda p: optimizers.SGD(p, lr=torch.ones(2)), TypeError, "SGD: lr must be one number or a 0-D tensor"),
        (lambda p: optimizers.Adam(p, beta2=1.0), ValueError, "beta2 must be in"),
        (lambda p: optimizers.SGD([{"params": p, "lr": float("nan")}]), ValueError, "lr must be finite"),
        (lambda p: optimizers.SGD(p, lr=[0.1, 0.2]), TypeError, "SGD: lr must be one number or a 0-D tensor"),
        (
            lambda p: optimizers.Adam([{"params": p, "beta1": np.array(0.5)}]),
            TypeError,
            "Adam: beta1 must be one number",
        ),
        (
            lambda p: optimizers.AnnealedSGD(p, rates=0.1),
            TypeError,
            "annealed_sgd: rates must be a sequence of numbers",
        ),
        (lambda p: optimizers.make("sgdm", p), ValueError, "unknown rule 'sgdm'; known rules: sgd"),
        (optimizers.RuleOptimizer, TypeError, "^RuleOptimizer has no rule: make one that has, as lrlib.Adam"),
        (lambda p: optimizers.RuleOptimizer(p, "adam"), TypeError, "^RuleOptimizer has no rule: .*make.rule, params"),
        (
            type("Mine", (optimizers.RuleOptimizer,), {}),
            TypeError,
            "^Mine has no rule: .*class Mine.RuleOptimizer, rule",
        ),
        (lambda p: optimizers.Adam(3), TypeError, "^params must be an iterable of tensors or of group dicts; got 3"),
        (lambda p: optimizers.SGD(None, lr=0.1), TypeError, "^params must be an iterable .*; got None"),
    ],
)
def test_wrong_options_are_named(build, error, words):
    with pytest.raises(error, match=words):
        build([torch.nn.Parameter(torch.ones(1))])


def test_the_state_of_another_method_is_refused_before_anything_changes():
    x = torch.nn.Parameter(torch.ones(2))
    x.grad = torch.ones(2)
    for other, lacking in (
        (optimizers.Momentum([x]), "beta1, beta2, eps, m"),
        (torch.optim.Adam([x]), "beta1, beta2, m, v"),
    ):
        other.step()
        optimizer = optimizers.Adam([x], lr=0.5)
        with pytest.raises(ValueError, match=f"not one of Adam; it lacks {lacking}"):
            optimizer.load_state_dict(other.state_dict())
        assert optimizer.param_groups[0]["lr"] == 0.5 and not optimizer.state
        optimizer.step()


def test_a_closure_that_fails_or_gives_no_loss_changes_nothing():
    x = torch.nn.Parameter(torch.ones(2))
    x.grad = torch.ones(2)
    optimizer, left = optimizers.AnnealedSGD([x], temperature=math.inf), iter([1.0])
    for nothing in (None, "0.5", torch.ones(2)):
        with pytest.raises(TypeError, match="closure: must return the loss, one number"):
            optimizer.step(lambda: nothing)
    with pytest.raises(StopIteration):
        optimizer.step(lambda: next(left))  # its second call, for the loss at the new point
    assert torch.equal(x, torch.ones(2)) and torch.equal(x.grad, torch.ones(2))
    optimizer.step(lambda: 1.0)
    assert optimizer.state[x]["step"] == 1 and x[0] < 1


def test_both_losses_of_a_closure_rule_see_the_same_dropout_mask():
    x, seen = torch.nn.Parameter(torch.ones(64)), []
    optimizer = optimizers.AnnealedSGD([x])

    def closure():
        optimizer.zero_grad()
        kept = torch.nn.functional.dropout(torch.ones(64), 0.5)
        seen.append(kept)
        loss = (kept * x).square().mean()
        loss.backward()
        return loss

    with torch.random.fork_rng():
        torch.manual_seed(0)
        optimizer.step(closure)
        after = torch.rand(1)
        torch.manual_seed(0)
        torch.nn.functional.dropout(torch.ones(64), 0.5)
        assert torch.equal(after, torch.rand(1))  # and the second call uses up no random numbers
    assert len(seen) == 2 and torch.equal(*seen)


def test_every_rule_has_its_optimizer():
    ours = [name for name, rule in rules.RULES.items() if rule.update.__module__.startswith("lrlib.methods.rules.")]
    assert list(optimizers.CLASSES) == ours, "CLASSES of lrlib/methods/optimizers/__init__.py stand in the rules' order"
    for name, cls in optimizers.CLASSES.items():
        assert cls.rule is rules.get(name) and getattr(optimizers, cls.__name__) is cls
        assert cls.__name__ in optimizers.__all__ and optimizers.for_rule(name) is cls
    with pytest.raises(TypeError):
        optimizers.CLASSES["sgd"] = optimizers.Momentum


@pytest.mark.gpu
@pytest.mark.parametrize("name", NAMES)
def test_a_gpu_equals_the_cpu(name):
    a, b = net(), net().cuda()
    one = optimizers.make(name, a.parameters(), lr=0.02)
    two = optimizers.make(name, b.parameters(), lr=0.02)
    for t in range(20):
        for model, optimizer, device in ((a, one, "cpu"), (b, two, "cuda")):
            x, y = (part.to(device) for part in batch(t))
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    assert_same(a, b.cpu(), tolerance=1e-9)


def quadratic(parameters):
    return sum(((p - 1) ** 2).sum() for p in parameters)


def two(dtype=torch.float64):
    generator = torch.Generator().manual_seed(5)
    return [torch.nn.Parameter(torch.randn(n, generator=generator, dtype=torch.float64).to(dtype)) for n in (3, 4)]


@pytest.mark.parametrize("name", ["hypergradient_sgd", "hypergradient_adam"])
def test_a_global_rule_sees_the_tensors_of_a_group(name):
    parameters, rule = two(), rules.get(name)
    x = [p.detach().clone() for p in parameters]
    state = rule.init(x)
    optimizer = optimizers.make(name, parameters, lr=0.01, hyper_lr=1e-3)
    for t in range(1, 9):
        optimizer.zero_grad()
        quadratic(parameters).backward()
        x, state = rule(x, [2 * (one - 1) for one in x], state, t, lr=0.01, hyper_lr=1e-3)
        optimizer.step()
        if t == 4:
            saved = copy.deepcopy(optimizer.state_dict())
            optimizer = optimizers.make(name, parameters, lr=0.5)
            optimizer.load_state_dict(saved)
    assert_same(torch.nn.ParameterList(parameters), torch.nn.ParameterList(x))
    held = optimizer.state[parameters[0]]
    assert held["step"] == 8 and held["rate"] == state["rate"] > 0.01


def test_a_single_number_keeps_its_precision_through_loading():
    parameters = two(torch.bfloat16)
    optimizer = optimizers.HypergradientSGD(parameters, lr=0.01, hyper_lr=1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        quadratic(parameters).backward()
        optimizer.step()
    rate = optimizer.state[parameters[0]]["rate"]
    fresh = optimizers.HypergradientSGD(parameters)
    fresh.load_state_dict(optimizer.state_dict())
    loaded = fresh.state[parameters[0]]["rate"]
    assert loaded.dtype == rate.dtype == torch.float32 and torch.equal(loaded, rate)


def test_a_closure_rule_accepts_or_refuses_and_puts_everything_back():
    parameters = two()
    options = {"lr": 1.0, "rates": (0.1, 3.0), "temperature": 0.0}
    optimizer = optimizers.AnnealedSGD([{"params": parameters[:1]}, {"params": parameters[1:]}], **options)
    accepted = []
    for _ in range(20):
        before = [p.detach().clone() for p in parameters]

        def closure():
            optimizer.zero_grad(set_to_none=False)
            loss = quadratic(parameters)
            loss.backward()
            return loss

        loss = optimizer.step(closure)
        state = optimizer.state[parameters[0]]
        accepted.append(state["accepted"].item())
        if accepted[-1]:
            assert quadratic(parameters) < loss
        else:
            assert all(torch.equal(p.detach(), q) for p, q in zip(parameters, before, strict=True))
        assert all(torch.allclose(p.grad, 2 * (q - 1)) for p, q in zip(parameters, before, strict=True))
    assert set(accepted) == {0.0, 1.0}
    with pytest.raises(TypeError, match="AnnealedSGD.step needs a closure"):
        optimizer.step()
    optimizer.param_groups[1]["lr"] = 0.5
    with pytest.raises(ValueError, match="decides for all groups together: they must share lr"):
        optimizer.step(closure)


@pytest.mark.parametrize("name", list(optimizers.CLASSES))
def test_groups_added_later_and_copies_of_every_kind(name):
    parameters = two()
    optimizer = optimizers.make(name, parameters[:1], lr=0.01)

    def go(optimizer, parameters, steps):
        def closure():
            optimizer.zero_grad()
            loss = quadratic(parameters)
            loss.backward()
            return loss

        for _ in range(steps):
            optimizer.step(closure)
        return torch.nn.ParameterList(parameters)

    go(optimizer, parameters, 2)
    optimizer.add_param_group({"params": parameters[1:]})
    go(optimizer, parameters, 2)
    twins, twin = pickle.loads(pickle.dumps((parameters, optimizer)))
    fresh = [torch.nn.Parameter(p.detach().clone()) for p in parameters]
    loaded = optimizers.make(name, [{"params": fresh[:1]}, {"params": fresh[1:]}])
    loaded.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    go(optimizer, parameters, 3)
    assert_same(go(twin, twins, 3), torch.nn.ParameterList(parameters), tolerance=0)
    assert_same(go(loaded, fresh, 3), torch.nn.ParameterList(parameters), tolerance=0)


@pytest.mark.parametrize("name", [n for n in optimizers.CLASSES if rules.get(n).kind != "closure"])
def test_a_scaler_skips_steps_that_overflow(name):
    parameters, plain = two(torch.float32), two(torch.float32)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    scaled, other = optimizers.make(name, parameters, lr=0.01), optimizers.make(name, plain, lr=0.01)
    for t in range(6):
        scaled.zero_grad()
        scaler.scale(quadratic(parameters) * (torch.inf if t == 2 else 1)).backward()
        scaler.step(scaled)
        scaler.update()
        if t != 2:
            other.zero_grad()
            quadratic(plain).backward()
            other.step()
    assert_same(torch.nn.ParameterList(parameters), torch.nn.ParameterList(plain), tolerance=1e-6)
    assert scaled.state[parameters[0]]["step"] == 5


def test_a_rule_of_the_users_own_has_an_optimizer_that_can_be_copied():
    @rules.rule("quarter_step", "element", source="here")
    def quarter_step(x, g, state, t, *, lr=1.0):
        return x - lr * g / 4, {}

    try:
        parameters = two()
        optimizer = optimizers.make(quarter_step, parameters)
        assert type(optimizer).__name__ == "QuarterStep"
        twins, twin = copy.deepcopy((parameters, optimizer))
        pickle.loads(pickle.dumps(optimizer))
        for some, step in ((parameters, optimizer), (twins, twin)):
            quadratic(some).backward()
            step.step()
        assert_same(torch.nn.ParameterList(parameters), torch.nn.ParameterList(twins), tolerance=0)
    finally:
        del rules.RULES["quarter_step"]


# -- what an optimizer remembers --------------------------------------------------------------------------------------


def descend(optimizer, parameters, steps):
    """Steps on ‖x − 1‖², whose minimum every method reaches from anywhere."""

    def closure():
        optimizer.zero_grad()
        loss = quadratic(parameters)
        loss.backward()
        return loss

    for _ in range(steps):
        optimizer.step(closure)


def remembered(optimizer):
    """The state by place, as numbers."""
    plain = {place: {k: torch.as_tensor(v).tolist() for k, v in kept.items()} for place, kept in states(optimizer)}
    assert plain[0]  # the first parameter of a group keeps at least the step
    return plain


def states(optimizer):
    return optimizer.state_dict()["state"].items()


@pytest.mark.parametrize(("name", "path"), PATHS)
def test_a_range_test_leaves_nothing_in_a_fresh_optimizer_nor_in_one_at_work(name, path, traced):
    outcomes = []
    for tested_at in (None, 0, 3):
        model = net()
        optimizer = optimizers.make(name, model.parameters(), lr=0.02, path=path)
        for t in range(6):
            if t == tested_at:
                range_test(model, optimizer, [batch(50)], torch.nn.functional.cross_entropy, low=1e-3, steps=12)
            x, y = batch(t)

            def closure(x=x, y=y):
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(model(x), y)
                loss.backward()
                return loss

            optimizer.step(closure)
        outcomes.append(([p.tolist() for p in model.parameters()], remembered(optimizer), optimizer.path))
    assert outcomes[0] == outcomes[1] == outcomes[2]


FORGETTING = {
    "state.clear()": lambda o, ps: o.state.clear(),
    "state.pop(p)": lambda o, ps: [o.state.pop(p, None) for p in ps],
    "state[p].clear()": lambda o, ps: [o.state[p].clear() for p in ps],
    "another state": lambda o, ps: setattr(o, "state", type(o.state)(dict)),
    "a fresh state loaded": lambda o, ps: o.load_state_dict(type(o)(two(), lr=0.02).state_dict()),
}


@pytest.mark.parametrize("forget", FORGETTING.values(), ids=list(FORGETTING))
@pytest.mark.parametrize(("name", "path"), PATHS)
def test_a_forgotten_state_begins_anew(name, path, forget, traced):
    parameters = two()
    optimizer = optimizers.make(name, parameters, lr=0.02, path=path)
    descend(optimizer, parameters, 3)
    twins = [torch.nn.Parameter(p.detach().clone()) for p in parameters]
    twin = optimizers.make(name, twins, lr=0.02, path=path)
    forget(optimizer, parameters)
    descend(optimizer, parameters, 3)
    descend(twin, twins, 3)
    assert_same(torch.nn.ParameterList(parameters), torch.nn.ParameterList(twins), tolerance=0)
    assert remembered(optimizer) == remembered(twin)


@pytest.mark.parametrize("path", ["eager", "fused"])
def test_a_forgotten_part_of_a_state_begins_anew_and_the_rest_goes_on(path, traced):
    parameters = two()
    optimizer = optimizers.Adam(parameters, lr=0.02, path=path)
    descend(optimizer, parameters, 3)
    kept = optimizer.state[parameters[0]]
    v = 0.999 * kept["v"] + 0.001 * (2 * (parameters[0].detach() - 1)) ** 2
    del kept["m"]
    descend(optimizer, parameters, 1)
    assert kept["step"] == 4 and torch.allclose(kept["m"], 0.1 * parameters[0].grad) and torch.allclose(kept["v"], v)


@pytest.mark.parametrize(("name", "path"), PATHS)
def test_a_state_loaded_in_mid_run_is_the_one_that_goes_on(name, path, traced):
    parameters = two()
    optimizer = optimizers.make(name, parameters, lr=0.02, path=path)
    descend(optimizer, parameters, 2)
    saved, values = copy.deepcopy(optimizer.state_dict()), [p.detach().clone() for p in parameters]
    descend(optimizer, parameters, 3)
    expected = [p.tolist() for p in parameters], remembered(optimizer)
    descend(optimizer, parameters, 2)
    optimizer.load_state_dict(saved)
    for p, value in zip(parameters, values, strict=True):
        p.data.copy_(value)
    descend(optimizer, parameters, 3)
    assert ([p.tolist() for p in parameters], remembered(optimizer)) == expected


@pytest.mark.parametrize(("name", "path"), [(n, p) for n, p in PATHS if rules.get(n).kind in ("element", "tensor")])
def test_a_parameter_that_takes_the_place_of_another_starts_fresh_and_the_old_one_is_let_go(name, path, traced):
    one, other = two()
    optimizer, gone = optimizers.make(name, [one, other], lr=0.02, path=path), weakref.ref(one)
    new, twins = torch.nn.Parameter(torch.full_like(one, 3.0)), [torch.nn.Parameter(other.detach().clone())]
    twins.append(torch.nn.Parameter(new.detach().clone()))
    descend(optimizer, [one, other], 3)
    optimizer.param_groups[0]["params"][0] = new
    del optimizer.state[one], one
    descend(optimizer, [new, other], 3)
    for twin, steps in zip(twins, (6, 3), strict=True):
        descend(optimizers.make(name, [twin], lr=0.02, path=path), [twin], steps)
    assert torch.equal(other, twins[0]) and torch.equal(new, twins[1])
    assert set(optimizer.state) == {new, other} and gone() is None


# -- calls of torch's constructors ------------------------------------------------------------------------------------

OFF = {"foreach": None, "differentiable": False}
CALLS = [  # class, arguments after the parameters, the rule that they mean
    ("SGD", (), {}, "sgd"),
    ("SGD", (0.05,), {"weight_decay": 0.1, **OFF, "fused": False}, "sgd"),
    ("SGD", (0.05, 0.9), {}, "momentum"),
    ("SGD", (), {"lr": 0.05, "momentum": 0.9, "dampening": 0, "weight_decay": 0.1, "maximize": True}, "momentum"),
    ("SGD", (0.05, 0.8, 0, 0.1, True), {}, "nesterov"),
    ("SGD", (0.05,), {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}, "nesterov"),
    ("Adam", (), {}, "adam"),
    ("Adam", (0.01, (0.8, 0.95), 1e-6, 0.1, False), {}, "adam"),
    ("Adam", (), {"lr": 0.01, "betas": [0.8, 0.95], "eps": 1e-3, "weight_decay": 0.1, **OFF}, "adam"),
    ("Adam", (0.01, (0.8, 0.95), 1e-6, 0.1, True), {}, "amsgrad"),
    ("Adam", (0.01,), {"amsgrad": True, "weight_decay": 0.1, "capturable": False}, "amsgrad"),
    ("Adam", (0.01,), {"decoupled_weight_decay": True}, "adamw"),
    ("Adam", (0.01,), {"decoupled_weight_decay": True, "weight_decay": 0.1}, "adamw"),
    ("AdamW", (), {}, "adamw"),
    ("AdamW", (0.01, (0.8, 0.95), 1e-6, 0.2, False), {"maximize": True}, "adamw"),
    ("RMSprop", (), {}, "rmsprop"),
    ("RMSprop", (0.01, 0.9, 1e-6, 0.1, 0, False), {}, "rmsprop"),
    ("RMSprop", (), {"lr": 0.01, "alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1, "centered": False}, "rmsprop"),
    ("Adagrad", (), {}, "adagrad"),
    ("Adagrad", (0.05, 0, 0.1, 0, 1e-6), {}, "adagrad"),
    ("Adagrad", (), {"lr": 0.05, "weight_decay": 0.1, "eps": 0.1, "lr_decay": 0.0}, "adagrad"),
    ("RAdam", (), {}, "radam"),
    ("RAdam", (0.02, (0.8, 0.95), 1e-6, 0.1), {}, "radam"),
    ("RAdam", (0.02,), {"betas": (0.8, 0.9), "weight_decay": 0.1, "decoupled_weight_decay": False}, "radam"),
]


@pytest.mark.parametrize(("name", "args", "options", "rule"), CALLS)
@pytest.mark.parametrize("grouped", [False, True])
def test_a_call_of_torchs_constructor_gives_torchs_steps(name, args, options, rule, grouped):
    pairs = []
    for room in (optimizers, torch.optim):
        model = net()
        groups = [{"params": model[0].parameters(), "lr": 0.03, "weight_decay": 0.3}, {"params": model[2].parameters()}]
        optimizer = getattr(room, name)(groups if grouped else model.parameters(), *args, **options)
        pairs.append((train(model, optimizer, 60), optimizer))
    (ours, a), (theirs, b) = pairs
    assert type(a) is getattr(optimizers, name) and a.rule is rules.get(rule)
    assert_same(ours, theirs)
    for mine, other in zip(a.param_groups, b.param_groups, strict=True):
        other = {**other, **dict(zip(("beta1", "beta2"), other.get("betas", ())))}
        assert all(other[option] == mine[option] for option in a.rule.defaults if option in other)


def grouped(model, first, second):
    return [{"params": model[0].parameters(), **first}, {"params": model[2].parameters(), **second}]


GROUPS = [  # class, options, those of two groups, the rule
    ("SGD", {"momentum": 0.9}, {"momentum": 0.0}, {"nesterov": False}, "momentum"),
    ("SGD", {}, {"momentum": 0.8}, {"weight_decay": 0.1}, "momentum"),
    ("SGD", {"momentum": 0.9, "nesterov": True}, {"momentum": 0.5}, {"nesterov": True}, "nesterov"),
    ("Adam", {}, {"betas": (0.5, 0.9)}, {"amsgrad": False, "foreach": False}, "adam"),
    ("Adam", {"amsgrad": True}, {"betas": (0.5, 0.9)}, {"amsgrad": True}, "amsgrad"),
    ("RMSprop", {}, {"alpha": 0.5, "momentum": 0}, {"name": "second"}, "rmsprop"),
]


@pytest.mark.parametrize(("name", "options", "first", "second", "rule"), GROUPS)
@pytest.mark.parametrize("later", [False, True])
def test_groups_in_torchs_words_give_torchs_steps(name, options, first, second, rule, later):
    models = []
    for room in (optimizers, torch.optim):
        model = net()
        groups = grouped(model, first, second)
        optimizer = getattr(room, name)(groups[:1] if later else groups, lr=0.02, **options)
        if later:
            optimizer.add_param_group(groups[1])
        models.append(train(model, optimizer, 40))
        if room is optimizers:
            assert optimizer.rule is rules.get(rule)
            assert all({*optimizer.rule.defaults} <= set(group) for group in optimizer.param_groups)
    assert_same(*models)


ELSE = "can be used in its place everywhere here, or write a rule"
REFUSED = [
    ("SGD", {"momentum": 0.9, "dampening": 0.1}, f"no rule does momentum=0.9, dampening=0.1; torch.optim.SGD {ELSE}"),
    ("SGD", {"nesterov": True}, "no rule does nesterov=True; Nesterov's momentum needs a momentum above 0"),
    ("SGD", {"fused": True}, 'no rule does fused=True; path="fused" compiles the step'),
    ("Adam", {"foreach": True}, "no rule does foreach=True; small tensors are updated together anyway"),
    ("Adam", {"capturable": True}, f"no rule does capturable=True; torch.optim.Adam {ELSE}"),
    ("Adam", {"amsgrad": True, "decoupled_weight_decay": True}, f"amsgrad=True, decoupled.*; torch.optim.Adam {ELSE}"),
    ("AdamW", {"amsgrad": True}, f"AdamW: no rule does amsgrad=True; torch.optim.AdamW {ELSE}"),
    (
        "RMSprop",
        {"momentum": 0.9, "centered": True},
        f"no rule does momentum=0.9, centered=True; torch.optim.RMSprop {ELSE}",
    ),
    ("Adagrad", {"lr_decay": 0.1}, r"a plan does it: attach\(optimizer, inverse_time\(1 / lr_decay\)\)"),
    ("Adagrad", {"initial_accumulator_value": 0.1}, f"torch.optim.Adagrad {ELSE}"),
    ("RAdam", {"decoupled_weight_decay": True}, f"torch.optim.RAdam {ELSE}"),
    ("RAdam", {"differentiable": True}, f"torch.optim.RAdam {ELSE}"),
    ("Adam", {"betas": 0.9}, r"betas must be a pair, \(beta1, beta2\); got 0.9"),
    ("Adam", {"betas": (0.9, 0.99), "beta1": 0.8}, "give betas, or beta1 and beta2, not both"),
]


@pytest.mark.parametrize(("name", "options", "words"), REFUSED)
def test_what_no_rule_does_is_a_type_error_that_names_the_way(name, options, words):
    cls, x, late = getattr(optimizers, name), *[torch.nn.Parameter(torch.ones(1)) for _ in range(2)]
    with pytest.raises(TypeError, match=words):
        cls([x], **options)
    with pytest.raises(TypeError, match=words):
        cls([{"params": [x], **options}])
    optimizer = cls([x])
    with pytest.raises(TypeError, match=f"{words}|needs another; make an optimizer for it"):
        optimizer.add_param_group({"params": [late], **options})
    assert len(optimizer.param_groups) == 1


def test_groups_that_need_different_rules_are_refused():
    model = net()
    for name, options, first, second, words in (
        ("Adam", {}, {"amsgrad": True}, {}, "differ in amsgrad, which is another rule here"),
        ("SGD", {"momentum": 0.9}, {"nesterov": True}, {}, "differ in momentum and nesterov, which is another rule"),
    ):
        with pytest.raises(TypeError, match=words):
            getattr(optimizers, name)(grouped(model, first, second), **options)
    optimizer = optimizers.SGD(model[0].parameters(), momentum=0.9)
    with pytest.raises(
        TypeError, match="this one runs the rule 'momentum', and a group with nesterov=True needs another"
    ):
        optimizer.add_param_group({"params": model[2].parameters(), "nesterov": True})
    with pytest.raises(TypeError, match="AMSGrad: a group has beta1 and beta2 here in place of betas"):
        optimizers.AMSGrad([{"params": model.parameters(), "betas": (0.9, 0.99)}])


def test_arguments_by_place_are_counted_and_not_taken_twice():
    x = [torch.nn.Parameter(torch.ones(1))]
    with pytest.raises(TypeError, match="SGD got multiple values for lr"):
        optimizers.SGD(x, 0.1, lr=0.2)
    with pytest.raises(TypeError, match="Momentum takes params, lr by position; got 3"):
        optimizers.Momentum(x, 0.1, 0.9)
    with pytest.raises(TypeError, match="params argument given to the optimizer should be an iterable"):
        optimizers.Adam(torch.ones(2))


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))])
@pytest.mark.parametrize(("name", "options"), [("SGD", {"momentum": 0.9}), ("Adam", {"amsgrad": True}), ("SGD", {})])
def test_a_copy_runs_the_rule_that_the_call_meant(clone, name, options):
    model = net()
    optimizer = getattr(optimizers, name)(model.parameters(), lr=0.05, **options)
    train(model, optimizer, 5)
    twin, twins = clone((model, optimizer))
    assert twins.rule is optimizer.rule
    assert_same(train(model, optimizer, 5, start=5), train(twin, twins, 5, start=5), tolerance=0)
    fresh = getattr(optimizers, name)(twin.parameters(), lr=0.5, **options)
    fresh.load_state_dict(twins.state_dict())
    assert_same(train(model, optimizer, 5, start=10), train(twin, fresh, 5, start=10), tolerance=0)


@pytest.mark.parametrize("cls", optimizers.CLASSES.values(), ids=lambda cls: cls.__name__)
def test_a_class_shows_its_options_and_takes_what_it_shows(cls):
    shown = {name: p for name, p in inspect.signature(cls).parameters.items() if name != "params"}
    assert {*cls.rule.defaults, "maximize", "path"} <= set(shown)
    assert {name: shown[name].default for name in cls.rule.defaults} == cls.rule.defaults
    assert f"`rules.{cls.rule.name}`" in cls.__doc__ and cls.rule.source in cls.__doc__ and ">>>" not in cls.__doc__
    by_place = [p.default for p in shown.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    by_name = {name: p.default for name, p in shown.items() if p.kind is p.KEYWORD_ONLY}
    by_name = {name: value for name, value in by_name.items() if not (name in ("beta1", "beta2") and "betas" in shown)}
    optimizer = cls([torch.nn.Parameter(torch.ones(1))], *by_place, **by_name)
    assert {name: optimizer.param_groups[0][name] for name in cls.rule.defaults} == cls.rule.defaults


def test_a_class_of_ones_own_shows_its_own_signature():
    class Mine(optimizers.Adam):
        def __init__(self, params, warm=3):
            super().__init__(params, lr=0.1 * warm)

    assert list(inspect.signature(Mine).parameters) == ["params", "warm"]
    assert Mine([torch.nn.Parameter(torch.ones(1))], 2).param_groups[0]["lr"] == 0.2


def test_every_class_of_torchs_name_takes_torchs_call():
    """A class that torch names alike reads torch's constructor; where torch has none, there is none to read."""
    for cls in optimizers.CLASSES.values():
        theirs = getattr(torch.optim, cls.__name__, None)
        assert (cls.call is None) == (theirs is None) and (cls.call is None or cls.call.torch_class is theirs)


@pytest.mark.parametrize("wrong", ["False", 0, 1, None, float("nan")])
@pytest.mark.parametrize("name", ["sgd", "adam", "lars"])
def test_maximize_is_true_or_false_also_in_a_group(name, wrong):
    x = torch.nn.Parameter(torch.ones(2))
    for params, more in ([x], {"maximize": wrong}), ([{"params": [x], "maximize": wrong}], {}):
        with pytest.raises(TypeError, match="^maximize must be True or False; got"):
            optimizers.CLASSES[name](params, lr=0.1, **more)
    assert optimizers.CLASSES[name]([x], lr=0.1, maximize=np.True_).param_groups[0]["maximize"] is True


@pytest.mark.parametrize("path", [np.zeros(2), np.zeros(0), torch.zeros(2), None, b"eager"])
def test_a_path_of_another_kind_is_named(path):
    with pytest.raises(ValueError, match="^path must be one of 'eager', 'fused'"):
        optimizers.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1, path=path)
