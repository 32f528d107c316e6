"""Rates by layer: every parameter once, in few groups, with the rate that the rule says."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from lrlib import attach, cosine, layerwise, ulmfit, warmup


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix, self.norm = nn.Linear(4, 4), nn.LayerNorm(4)

    def forward(self, x):
        return self.norm(x + self.mix(x))


class Net(nn.Module):
    def __init__(self, depth=3):
        super().__init__()
        self.embed = nn.Linear(2, 4)
        self.blocks = nn.Sequential(*(Block() for _ in range(depth)))
        self.head = nn.Linear(4, 1)

    def forward(self, x):
        return self.head(self.blocks(self.embed(x)))


LAYERS = ["^embed", r"^blocks\.0", r"^blocks\.1", r"^blocks\.2", "^head"]


def rate_of(model, groups):
    """{name: rate}; every parameter is in exactly one group."""
    place = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert sum(len(group["params"]) for group in groups) == len(place) == len(list(model.parameters()))
    return {name: place[id(p)] for name, p in model.named_parameters()}


def test_rates_fall_by_one_factor_a_layer():
    model = Net()
    groups = layerwise(model, 0.1, decay=0.5, layers=LAYERS)
    assert [group["lr"] for group in groups] == [0.1 * 0.5**k for k in (4, 3, 2, 1, 0)]
    assert len(groups[1]["params"]) == 4
    rates = rate_of(model, groups)
    assert rates["embed.weight"] == 0.00625 and rates["blocks.2.norm.bias"] == 0.05 and rates["head.bias"] == 0.1


def test_without_layers_each_module_with_parameters_is_one():
    rates = rate_of(model := Net(depth=1), layerwise(model, 1.0, decay=0.1))
    expected = {"embed": 1e-3, "blocks.0.mix": 1e-2, "blocks.0.norm": 1e-1, "head": 1.0}
    assert rates == {f"{m}.{p}": pytest.approx(r) for m, r in expected.items() for p in ("weight", "bias")}


def test_ulmfit_divides_by_its_factor():
    rates = [group["lr"] for group in ulmfit(Net(), 0.01, layers=LAYERS)]
    np.testing.assert_allclose(np.divide(rates[1:], rates[:-1]), 2.6)
    assert rates[-1] == 0.01


def test_factors_by_name_take_the_first_that_fits():
    model = Net()
    rates = rate_of(model, groups := layerwise(model, 0.1, factors={"bias$": 2, r"norm\.": 0, "^head": 10, ".": 1}))
    assert rates["blocks.0.mix.bias"] == rates["blocks.1.norm.bias"] == rates["head.bias"] == 0.2
    assert rates["blocks.1.norm.weight"] == 0 and rates["head.weight"] == 1.0 and rates["embed.weight"] == 0.1
    assert len(groups) == 4


def test_decay_and_factors_multiply():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    rates = rate_of(model, layerwise(model, 1.0, decay=0.5, factors={"bias": 2, "weight": 1}))
    assert rates == {"0.weight": 0.5, "0.bias": 1.0, "1.weight": 1.0, "1.bias": 2.0}


def test_equal_rates_share_a_group():
    assert [len(group["params"]) for group in layerwise(Net(), 0.1)] == [16]
    assert len(layerwise(Net(), 0.1, decay=0.5, factors={"^head": 0.5, r"^blocks\.2\.norm": 1, ".": 1})) == 7


def test_shared_and_frozen_parameters_come_once():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    model[0].bias.requires_grad_(False)
    assert len(rate_of(model, layerwise(model, 0.1, decay=0.5))) == 3


@pytest.mark.parametrize("options", [{"foreach": True}, {"fused": True}])
def test_a_plan_keeps_the_proportions(options):
    model = Net()
    optimizer = torch.optim.AdamW(layerwise(model, 0.1, decay=0.5, layers=LAYERS), **options)
    handle = attach(optimizer, warmup(3) >> cosine(9, final=0.1))
    for _ in range(10):
        optimizer.zero_grad()
        model(torch.ones(3, 2)).pow(2).sum().backward()
        optimizer.step()
    np.testing.assert_allclose(handle.applied / handle.applied[:, -1:], [0.5 ** np.arange(4, -1, -1)] * 10)


@pytest.mark.parametrize(
    ("build", "error", "words"),
    [
        (lambda: layerwise([nn.Linear(1, 1)], 0.1), TypeError, "model must be a torch.nn.Module; got list"),
        (lambda: layerwise(nn.ReLU(), 0.1), ValueError, "model has no parameters"),
        (lambda: layerwise(Net(), -0.1), ValueError, "lr must be a finite number of at least 0; got -0.1"),
        (lambda: layerwise(Net(), True), TypeError, "lr must be"),
        (lambda: layerwise(Net(), 0.1, decay=math.nan), ValueError, "decay must be"),
        (lambda: ulmfit(Net(), 0.1, factor=0), ValueError, "factor must be a finite number above 0; got 0"),
        (lambda: layerwise(Net(), 0.1, factors={"bias": 1}), ValueError, "fits 'embed.weight'.*add '.' for the rest"),
        (lambda: layerwise(Net(), 0.1, factors={".": 1, "bias": 2}), ValueError, "nothing is left for 'bias'"),
        (lambda: layerwise(Net(), 0.1, factors={"haed": 1, ".": 2}), ValueError, "nothing is left for 'haed'"),
        (lambda: layerwise(Net(), 0.1, factors={"(": 1}), ValueError, "factors must be regular expressions.*"),
        (lambda: layerwise(Net(), 0.1, factors={}), ValueError, "at least one regular expression"),
        (lambda: layerwise(Net(), 0.1, factors=["bias"]), TypeError, "factors must be a dict"),
        (lambda: layerwise(Net(), 0.1, factors={".": -1}), ValueError, "the factor of '.' must be"),
        (lambda: layerwise(Net(), 0.1, layers="head"), ValueError, "layers must hold at least one"),
        (lambda: layerwise(Net(), 0.1, layers=5), ValueError, "layers must hold at least one.*in a list; got 5"),
        (lambda: layerwise(Net(), 0.1, layers=LAYERS, decay=1e300), ValueError, "the rate of 'embed.weight' must be"),
        (lambda: layerwise(Net(), 0.1, layers=LAYERS[:-1]), ValueError, "layers: no expression fits 'head.weight'"),
        (lambda: layerwise(Net(), 0.1, layers=[*LAYERS, "tail"]), ValueError, "nothing is left for 'tail'"),
    ],
)
def test_wrong_arguments_are_named(build, error, words):
    with pytest.raises(error, match=words):
        build()
