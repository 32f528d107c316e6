"""The networks that the cards name (`book/networks.csv`) are those that the scripts build for their full runs."""

import importlib
from contextlib import suppress

import pytest
import torch
from torch import nn

from lrbook import golden, results
from lrbook.language import read_table
from lrlib import tasks
from lrlib.tasks.sphere import FrozenLinear

ROWS = read_table("networks.csv")
WITHOUT = {"E01", "E05", "E06"}  # experiments that train no network
FEW = {"train": 40, "held": 40, "few": 40}  # examples, on which no network hangs


def asked(module, trainer, call):
    """The tasks that a call hands to a function of the module that trains; it ends where it needs what comes of them."""
    seen = []
    with pytest.MonkeyPatch.context() as patch, suppress(TypeError, AttributeError):
        patch.setattr(module, trainer, lambda task, *_, **__: seen.append(task))
        patch.setitem(module.SIZES, "full", sizes(module))
        call(sizes(module))
    return seen


def sizes(module):
    """The sizes of the full run, with few examples."""
    size = module.SIZES["full"]
    return size | {key: count for key, count in FEW.items() if isinstance(size.get(key), int)}


def e23(m):
    with pytest.MonkeyPatch.context() as patch:
        convex = asked(m, "sweep", m.convex)[:1]
        patch.setattr(m, "convex", lambda size: None)
        return convex + asked(m, "bakeoff", lambda size: m.run("full"))


def e27(m):
    size = sizes(m)
    scratch = [m.source(20, 20, size["narrow"], depth) for depth in size["depths"]]
    return [m.source(20, 20, size["width"]), *scratch]


def e30(m):
    size, (width, depth) = sizes(m), m.SIZES["full"]["usual"]
    shapes = [(w, depth) for w in size["widths"]] + [(width, d) for d in size["depths"] if d != depth]
    return [task for shape in shapes for task in asked(m, "sweep", lambda size: m.trained(size, [0.1], 1, *shape))]


def e64(m):
    task = m.target(sizes(m))
    ranks = dict.fromkeys(rank for _, rank, _ in m.ARMS.values() if rank)
    return [task, *(tasks.low_rank(task, rank) for rank in ranks)]


def shared(m):
    large = importlib.import_module("large_rates")
    return [large.problem(large.SIZES["full"] | FEW)]


BUILT = {
    "E02": lambda m: [m.problem()],
    "E03": lambda m: [m.data(sizes(m), **shape) for shape in ({}, {"width": 16}, {"width": sizes(m)["strong"]})],
    "E04": lambda m: asked(m, "bakeoff", lambda size: m.run("full")),
    "E07": lambda m: [tasks.sparse_logistic(features=sizes(m)["features"]), tasks.digits()],
    "E14": lambda m: asked(m, "sweep", lambda size: m.trained(size, "none", "constant")),
    "E20": lambda m: [*(m.problem(name, sizes(m)) for name in m.CHANCE), m.importance.language(20, 20)],
    "E23": e23,
    "E24": lambda m: [m.problem(name, "standardised", sizes(m)) for name in ("digits", "breast_cancer", "mnist1d")],
    "E25": lambda m: [m.problem(name, sizes(m)) for name in m.CHANCE],
    "E27": e27,
    "E28": lambda m: [m.Trainer(width, "sgd").model for width in m.WIDTHS.values()],
    "E30": e30,
    "E34": lambda m: [importlib.import_module("ticks_pair").Pairs(m.SIZES["full"]["size"] | FEW, [0]).task],
    "E35": lambda m: [m.problem(sizes(m), *m.ARMS[name]) for name in ("wide", "narrow")],
    "E36": shared,
    "E37": shared,
    "E38": lambda m: [m.problem(sizes(m), 0.2)[0], *shared(m)],
    "E39": shared,
    "E51": lambda m: [m.network()],
    "E52": lambda m: [nn.ParameterList([torch.zeros(m.WIDTH), torch.zeros(m.WIDTH)])],
    "E53": shared,
    "E64": e64,
    "E65": lambda m: asked(m, "sweep", lambda size: m.run("full"))[:1],
    "E66": lambda m: [m.source(sizes(m))],
    "E67": lambda m: [m.data(sizes(m), 20, 20)],
    "E70": lambda m: [m.problem(sizes(m), name)[0] for name in ("full", "small")],
    "E71": lambda m: [m.problem(20, 20)],
}


def network(built):
    """The network of a task, of a task that hangs on the seed, or the network itself."""
    if isinstance(built, nn.Module):
        return built
    return (built if isinstance(built, tasks.Task) else built(0)).model()


def shape(net):
    """The widths of a row of layers, "40-64-10"; empty for any other network."""
    layers = [net] if isinstance(net, nn.Linear) else net if isinstance(net, nn.Sequential) else []
    widths = [tuple(layer.weight.shape) for layer in layers if isinstance(layer, (nn.Linear, FrozenLinear))]
    return "-".join(map(str, [widths[0][1], *(out for out, _ in widths)])) if widths else ""


@pytest.mark.parametrize("number", BUILT)
def test_a_card_names_the_networks_of_its_script(number):
    name = next(name for name in golden.names() if results.experiment_number(name) == number)
    golden.experiment(name)  # makes the folder of the scripts importable
    rows = [row for row in ROWS if row["experiment"] == number]
    built = [network(one) for one in BUILT[number](importlib.import_module(name))]
    counts = [sum(p.numel() for p in net.parameters() if p.requires_grad) for net in built]
    assert [int(row["parameters"]) for row in rows] == counts
    assert all(shape(net) in row[f"network_{lang}"] for net, row in zip(built, rows) for lang in ("en", "ja"))


def test_every_experiment_names_its_networks_or_has_none():
    named = list(dict.fromkeys(row["experiment"] for row in ROWS))
    assert named == list(BUILT)
    assert sorted([*named, *WITHOUT]) == sorted(map(results.experiment_number, golden.names()))
