"""The fast ways of an element-wise rule (tape and compiled program) against the rule itself, called as it is written."""

import copy
import pickle

import pytest
import torch

from lrlib import attach, cosine, optimizers, rules, warmup
from lrlib.methods.optimizers.compiled import flat, program, tape

NAMES = [name for name, rule in rules.RULES.items() if rule.kind == "element" and name in optimizers.CLASSES]


@pytest.fixture
def traced(monkeypatch):
    """Programs that run the traced rule without compiling it."""
    monkeypatch.setitem(program.BACKENDS, "inductor", program.BACKENDS["eager"])
    monkeypatch.setattr(program, "PROGRAMS", {})


@pytest.fixture
def short_blocks(monkeypatch):
    monkeypatch.setattr(tape, "BLOCK", 16)


def tensors(dtype=torch.float64):
    """Parameters of all sorts: a matrix, a vector, one entry, none, a transposed matrix, a slice with gaps."""
    generator = torch.Generator().manual_seed(3)
    made = [
        torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
        for shape in ((7, 9), (21,), (), (0, 3), (5, 8), (6, 4))
    ]
    made[4], made[5] = made[4].t(), made[5][:, ::2]
    return [torch.nn.Parameter(p) for p in made]


def gradients(parameters, t):
    """New gradients of step t; in every third step two parameters get none."""
    generator = torch.Generator().manual_seed(100 + t)
    for i, p in enumerate(parameters):
        g = torch.randn(p.shape, generator=generator, dtype=torch.float64).to(p.dtype)
        p.grad = None if t % 3 == 1 and i in (1, 4) else g


def groups(parameters):
    return [
        {"params": parameters[:2], "lr": 0.03, "weight_decay": 0.1},
        {"params": parameters[2:], "weight_decay": 0.0},
    ]


def by_hand(name, steps, dtype=torch.float64, maximize=False, **options):
    """The rule itself, tensor by tensor, on the same gradients, rates and groups."""
    rule, parameters = rules.get(name), tensors(dtype)
    settings = {**rule.defaults, **options}
    chosen = [{**settings, "lr": 0.03, "weight_decay": 0.1}] * 2 + [{**settings, "weight_decay": 0.0}] * 4
    state, count = [rule.init(p.detach()) for p in parameters], [0] * 6
    for t in range(steps):
        gradients(parameters, t)
        for i, p in enumerate(parameters):
            if p.grad is not None:
                count[i] += 1
                now = {**chosen[i], "lr": chosen[i]["lr"] * 0.9**t}
                g = -p.grad if maximize else p.grad
                new, state[i] = rule(p.detach().clone(), g, state[i], count[i], **now)
                p.data.copy_(new)
    return parameters, state


def drive(name, steps, dtype=torch.float64, **options):
    parameters = tensors(dtype)
    optimizer = optimizers.make(name, groups(parameters), **options)
    return go_on(optimizer, parameters, range(steps)), optimizer


def go_on(optimizer, parameters, steps):
    base = (0.03, optimizer.defaults["lr"])
    for t in steps:
        gradients(parameters, t)
        for group, lr in zip(optimizer.param_groups, base, strict=True):
            group["lr"] = lr * 0.9**t
        optimizer.step()
    return parameters


def assert_close(one, other, tolerance):
    for p, q in zip(one, other, strict=True):
        torch.testing.assert_close(p.detach(), q.detach(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize(
    ("dtype", "block", "small"),
    [(torch.float32, 16, 0), (torch.float64, 1 << 16, 0), (torch.float64, 1 << 16, 64), (torch.float32, 16, 2048)],
)
def test_the_eager_path_equals_the_rule_bit_by_bit(name, maximize, dtype, block, small, monkeypatch):
    monkeypatch.setattr(tape, "BLOCK", block)
    monkeypatch.setattr(flat, "SMALL", small)
    expected, states = by_hand(name, 7, dtype, maximize)
    found, optimizer = drive(name, 7, dtype, maximize=maximize)
    assert_close(found, expected, 0)
    for p, state in zip(found, states, strict=True):
        assert_close([optimizer.state[p][key] for key in state], state.values(), 0)


@pytest.mark.parametrize("maximize", [False, True])
def test_plain_descent_on_many_tensors_equals_the_rule_bit_by_bit(maximize, short_blocks):
    def made():
        return [torch.nn.Parameter(p.detach()) for p in tensors(torch.float32)]

    one, other = made(), made()
    optimizer = optimizers.SGD(one, lr=0.03, maximize=maximize)
    for t in range(4):
        gradients(one, t)
        gradients(other, t)
        optimizer.step()
        for p in [p for p in other if p.grad is not None]:
            p.data.copy_(rules.sgd(p.detach(), -p.grad if maximize else p.grad, {}, t + 1, lr=0.03)[0])
    assert_close(one, other, 0)
    assert [optimizer.state[p]["step"] for p in one] == [4, 3, 4, 4, 3, 4]


def test_the_rules_with_a_tape():
    for name in NAMES:
        drive(name, 7)
    made = {rule: tapes for (rule, maximize), tapes in tape.TAPES.items() if None not in tapes and not maximize}
    lacking = [name for name in NAMES if rules.get(name) not in made]
    assert not lacking, f"no tape for {lacking}: add their operations to WRITTEN of methods/optimizers/compiled/tape.py"
    listed = {name: len(made[rules.get(name)]) for name in NAMES}
    assert listed["radam"] == 2 * listed["adam"]  # before and after its threshold


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("options", [{}, {"maximize": True}])
def test_the_traced_rule_equals_the_rule(name, options, traced):
    expected, states = by_hand(name, 8, **options)
    found, optimizer = drive(name, 8, path="fused", **options)
    assert (optimizer.path, optimizer.path_reason) == ("fused", None)
    assert_close(found, expected, 1e-12)
    for p, state in zip(found, states, strict=True):
        assert_close([optimizer.state[p][key] for key in state], state.values(), 1e-12)


def test_the_compiled_rule_equals_the_rule_and_compiles_once(monkeypatch):
    calls, inductor = [], program.BACKENDS["inductor"]
    monkeypatch.setattr(program, "PROGRAMS", {})
    monkeypatch.setitem(program.BACKENDS, "inductor", lambda body: calls.append(1) or inductor(body))
    for options in ({}, {"eps": 1e-6}, {"beta1": 0.5, "threshold": 4.0}):
        expected, _ = by_hand("radam", 12, **options)
        found, optimizer = drive("radam", 12, path="fused", **options)
        assert optimizer.path == "fused", optimizer.path_reason
        assert_close(found, expected, 1e-12)
    other = optimizers.RAdam(
        [torch.nn.Parameter(torch.ones(n, dtype=torch.float64)) for n in (1, 33, 1000)],
        lr=torch.tensor(0.5),
        path="fused",
        weight_decay=0.3,
    )
    attach(other, warmup(3) >> cosine(20))
    for t in range(23):
        for p in other.param_groups[0]["params"]:
            p.grad = torch.full_like(p, 0.1 * t)
        other.step()
    assert other.path == "fused" and len(calls) == 1


def test_single_precision_compiled_stays_near():
    expected, _ = by_hand("adabelief", 10, torch.float32)
    found, optimizer = drive("adabelief", 10, torch.float32, path="fused")
    assert optimizer.path == "fused", optimizer.path_reason
    assert_close(found, expected, 1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("before", "after"), [("eager", "fused"), ("fused", "eager"), ("fused", "fused")])
def test_the_state_loads_between_paths(name, before, after, traced, tmp_path):
    expected, _ = by_hand(name, 8)
    found, optimizer = drive(name, 4, path=before)
    torch.save(optimizer.state_dict(), tmp_path / "o.pt")
    other = optimizers.make(name, groups(found), path=after)
    other.load_state_dict(torch.load(tmp_path / "o.pt", weights_only=True))
    assert_close(go_on(other, found, range(4, 8)), expected, 1e-12)
    assert other.path == after


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))])
def test_a_copy_of_a_fused_optimizer_is_fused_and_its_own(clone, traced):
    expected, _ = by_hand("adam", 8)
    found, optimizer = drive("adam", 4, path="fused")
    twins, twin = clone((found, optimizer))
    assert twin.path == "fused"
    assert_close(go_on(twin, twins, range(4, 8)), expected, 1e-12)
    assert_close(go_on(optimizer, found, range(4, 8)), expected, 1e-12)


@pytest.mark.parametrize("path", ["eager", "fused"])
def test_parameters_and_states_may_be_exchanged(path, traced):
    p = torch.nn.Parameter(torch.ones(3, dtype=torch.float64))
    optimizer = optimizers.Momentum([p], lr=0.1, path=path)
    p.grad = torch.ones_like(p)
    optimizer.step()
    p.data = torch.full((3,), 5.0, dtype=torch.float64)
    optimizer.state[p]["v"] = torch.full((3,), 10.0, dtype=torch.float64)
    optimizer.step()
    torch.testing.assert_close(p.detach(), torch.full((3,), 5.0 - 0.1 * 10.0, dtype=torch.float64))


@pytest.mark.parametrize("path", ["eager", "fused"])
def test_gradients_in_another_order_of_memory(path, traced):
    p = torch.nn.Parameter(torch.arange(6.0, dtype=torch.float64).view(2, 3))
    g = torch.arange(6.0, dtype=torch.float64).view(3, 2).t()
    p.grad = g
    before = p.detach().clone()
    optimizers.SGD([p], lr=0.5, path=path).step()
    assert torch.equal(p.detach(), before - 0.5 * g)


@pytest.mark.parametrize("path", ["eager", "fused"])
def test_a_rule_of_one_operation_may_bring_its_number_along(path, traced):
    @rules.rule("half_step", "element", source="here")
    def half_step(x, g, state, t, *, lr=1.0):
        return x - 0.5 * g, {}

    try:
        p = torch.nn.Parameter(torch.ones(3, dtype=torch.float64))
        p.grad = torch.arange(3.0, dtype=torch.float64)
        optimizers.make(half_step, [p], path=path).step()
        assert p.tolist() == [1.0, 0.5, 0.0]
    finally:
        del rules.RULES["half_step"]


def test_tensors_stay_the_users_own(traced):
    parameters = tensors()
    pointers = [p.data_ptr() for p in parameters]
    optimizer = optimizers.Adam(parameters, path="fused")
    for _ in range(3):
        optimizer.zero_grad()
        sum((p * p).sum() for p in parameters).backward()
        optimizer.step()
        assert [p.data_ptr() for p in parameters] == pointers
    assert all(optimizer.state[p]["step"] == 3 for p in parameters)


def test_what_the_compiler_cannot_do_falls_back_and_says_why(monkeypatch):
    def broken(body):
        raise RuntimeError("no compiler\nat all")

    monkeypatch.setitem(program.BACKENDS, "inductor", broken)
    monkeypatch.setattr(program, "PROGRAMS", {})
    expected, _ = by_hand("adamw", 5)
    found, optimizer = drive("adamw", 5, path="fused")
    assert (optimizer.path, optimizer.path_reason) == ("eager", "RuntimeError: no compiler")
    assert_close(found, expected, 0)


def test_the_processors_flags_are_trusted_for_this_compilation_alone(monkeypatch):
    from torch._inductor import compile_fx, config, cpu_vec_isa

    def broken(*_, **__):
        seen.append((config.cpp.vec_isa_ok, len(cpu_vec_isa.valid_vec_isa_list())))
        raise RuntimeError("too old for this processor")

    seen = []
    monkeypatch.setattr(compile_fx, "compile_fx_inner", broken)
    monkeypatch.setattr(program, "PROGRAMS", {})
    with config.patch({"cpp.vec_isa_ok": None}):  # monkeypatch would leave the option deleted
        _, optimizer = drive("sgd", 2, path="fused")
        assert optimizer.path_reason == "RuntimeError: too old for this processor"
        assert [trusted for trusted, _ in seen] == [True] and config.cpp.vec_isa_ok is None
    assert cpu_vec_isa.valid_vec_isa_list.cache_info().currsize == 0  # others look for themselves


def test_a_program_that_computes_something_else_is_not_used(monkeypatch):
    monkeypatch.setitem(program.BACKENDS, "inductor", lambda body: lambda inputs: None)
    monkeypatch.setattr(program, "PROGRAMS", {})
    expected, _ = by_hand("sgd", 3)
    found, optimizer = drive("sgd", 3, path="fused")
    assert optimizer.path == "eager" and "differs" in optimizer.path_reason
    assert_close(found, expected, 0)


def test_other_kinds_are_not_compiled():
    optimizer = optimizers.LARS([torch.nn.Parameter(torch.ones(3))], path="fused")
    assert (optimizer.path, optimizer.path_reason) == ("eager", "a rule of kind 'tensor' is not compiled")
    with pytest.raises(ValueError, match="path must be one of 'eager', 'fused'; got 'quick'"):
        optimizers.SGD([torch.nn.Parameter(torch.ones(3))], path="quick")


def test_a_rule_of_the_users_own_runs_as_written_and_fused(traced):
    calls = []

    @rules.rule("halving", "element", ("m",), source="here")
    def halving(x, g, state, t, *, lr=0.1):
        calls.append(t)
        m = 0.5 * state["m"] + g.abs().sqrt().copysign(g)
        return x - lr * m, {"m": m}

    try:
        results = []
        for path in ("eager", "fused"):
            p = torch.nn.Parameter(torch.tensor([1.0, 2.0, -4.0], dtype=torch.float64))
            optimizer = optimizers.make("halving", [p], path=path)
            for _ in range(3):
                p.grad = p.detach() ** 2
                optimizer.step()
            results.append(p)
            assert optimizer.path == path
        assert calls[:3] == [1, 2, 3]
        assert_close(results[:1], results[1:], 1e-12)
    finally:
        del rules.RULES["halving"]


def test_a_long_tensor_is_played_in_blocks_of_its_own_memory(short_blocks):
    p = torch.nn.Parameter(torch.ones(4, 5))
    optimizer = optimizers.Adam([p])
    p.grad = torch.ones_like(p)
    optimizer.step()
    slot = optimizer._flat.slots[id(p)]
    assert isinstance(slot, flat.Slot) and slot.blocks and slot.x.data_ptr() == p.data_ptr()
