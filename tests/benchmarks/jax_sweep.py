"""A sweep beside JAX, the same work in the same process: ``python tests/benchmarks/jax_sweep.py``.

JAX compiles the whole run, ``jit(lax.scan(vmap(step)))``: the same networks, weights, data and batches, plain SGD, and no
look at divergence, which costs lrlib some of its time. Losses of both are compared before anything is timed. Rounds
interleave the ways. ``--threads 1`` keeps the process on one core. The last column is what the compiled program makes of
the rate at which this machine multiplies large matrices. JAX is needed by this script alone: ``pip install jax``.
"""

import os
import statistics
import sys
import tempfile
import time

CACHE = tempfile.TemporaryDirectory()  # empty, so that compiling is measured and not looking up
os.environ["TORCHINDUCTOR_CACHE_DIR"] = CACHE.name
if "--threads" in sys.argv and hasattr(os, "sched_setaffinity"):  # before JAX counts the cores
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv[sys.argv.index("--threads") + 1])])

import jax
import numpy as np
import torch
from jax import lax
from jax import numpy as jnp
from report import arguments, report
from sweep import binary, engine_seconds, lanes_of

from lrlib import tasks
from lrlib.runs.sweeps.choose import _Arithmetic
from lrlib.runs.sweeps.paths import Compiled, Eager

STEPS = 400
WORK = {
    "digits 64-64-64-10, 32 lanes": (tasks.digits, 32),
    "32-32-32-1, 23 lanes": (binary, 23),
    "32-32-32-1, 128 lanes": (binary, 128),
}


def loss(parameters, x, y):
    """Cross-entropy of a ReLU network, parameters [(weight, bias), …]; of two classes for a single output."""
    for weight, bias in parameters[:-1]:
        x = jax.nn.relu(x @ weight.T + bias)
    weight, bias = parameters[-1]
    output = x @ weight.T + bias
    if output.shape[-1] == 1:
        output = output[:, 0]
        return jnp.mean(jnp.maximum(output, 0) - output * y + jnp.log1p(jnp.exp(-jnp.abs(output))))
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(output), y[:, None], axis=1))


def program(lanes):
    """The run of these lanes in JAX: parameters, rows [steps, L, b] → (parameters, losses [steps, L])."""
    x, y = (jnp.asarray(part.numpy()) for part in lanes.data)
    rate = float(lanes.description.lr0[0])
    gradients = jax.vmap(jax.value_and_grad(loss))

    def step(parameters, rows):
        found, gradient = gradients(parameters, x[rows], y[rows])
        return jax.tree.map(lambda p, g: p - rate * g, parameters, gradient), found

    return jax.jit(lambda parameters, rows: lax.scan(step, parameters, rows))


def start_of(lanes):
    """The starting weights of all lanes for `loss`."""
    arrays = [jnp.asarray(value.numpy()) for value in lanes.parameters(lanes.begin()).values()]
    return list(zip(arrays[::2], arrays[1::2], strict=True))


def check(lanes, found):
    """Raise where the losses of JAX and of a sweep differ by more than rounding."""
    carry, inputs, losses = lanes.begin(), lanes.inputs(0, 50), []
    engine = Eager(lanes, untraced=0)
    for j in range(50):
        carry, value, _ = engine(carry, inputs.slice(j, j + 1, 1))
        losses.append(value[0].numpy())
    np.testing.assert_allclose(np.asarray(found)[:50], losses, rtol=1e-3)


def product_rate():
    """Multiplications and additions a second of a large matrix product."""
    a = torch.randn(1024, 1024)
    times = []
    for _ in range(20):
        began = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - began)
    return 2 * 1024**3 / statistics.median(times)


def row(name, rounds):
    """Measure one row."""
    task, count = WORK[name]
    lanes, apart = lanes_of(task(), count), lanes_of(task(), count)
    apart.pack(False)
    rows = jnp.asarray(lanes.inputs(0, STEPS).rows.numpy())
    run, parameters = program(lanes), start_of(lanes)
    began = time.perf_counter()
    check(lanes, jax.block_until_ready(run(parameters, rows))[1])
    theirs = time.perf_counter() - began
    began = time.perf_counter()
    compiled, eager = Compiled(apart), Eager(lanes, untraced=0)
    ours = time.perf_counter() - began

    def jax_seconds():
        start = time.perf_counter()
        jax.block_until_ready(run(parameters, rows))
        return (time.perf_counter() - start) / STEPS

    ways = (
        jax_seconds,
        lambda: engine_seconds(compiled, apart, STEPS),
        lambda: engine_seconds(eager, lanes, STEPS // 4),
    )
    for way in ways:
        way()
    times = np.array([[way() for way in ways] for _ in range(rounds)])
    peer, fast, slow = np.median(times, axis=0)
    with torch.no_grad(), _Arithmetic() as counted:
        inputs = lanes.inputs(0, 1)
        lanes.step(lanes.begin(), lanes.data, inputs.like(inputs.at(0)))
    ratios = [statistics.median(times[:, i] / times[:, 0]) for i in (1, 2)]
    share = counted.total / fast / product_rate()
    cells = [f"{peer * 1e3:.3f}", f"{fast * 1e3:.3f}", f"{slow * 1e3:.3f}", f"{ratios[0]:.2f}", f"{ratios[1]:.2f}"]
    return [name, *cells, f"{theirs:.1f}", f"{ours:.1f}", f"{share:.0%}"]


def main():
    """Print the table."""
    options = arguments(__doc__.splitlines()[0], threads=2, rounds=9)
    torch.set_num_threads(options.threads)
    columns = ["lanes", "JAX, ms a step", "compiled, ms", "eager, ms", "compiled / JAX", "eager / JAX"]
    report(
        "jax_sweep" if options.threads > 1 else "jax_sweep_one",
        [*columns, "JAX compiles, s", "lrlib compiles, s", "of product rate"],
        [row(name, options.rounds) for name in WORK],
        options.json,
        f"SGD, float32, {options.threads} threads, medians of {options.rounds} interleaved rounds, JAX {jax.__version__}.",
    )


if __name__ == "__main__":
    main()
