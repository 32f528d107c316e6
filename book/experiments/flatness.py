"""Sharpness of many trained networks at once, plain and in a form that no rescaling of layers or units changes."""

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from lrlib import sharpness_lanes

SEARCH = dict(accuracy=0.02, products=60)


class Factors(nn.Module):
    """A network as a function of one factor per weight, all 1: weight = factor × value.

    The Hessian in the factors is diag(w) H diag(w), so its largest eigenvalue is the adaptive sharpness of
    Kwon et al. (2021): it stays as it is when a layer is multiplied by a number and the next one divided by it.
    """

    def __init__(self, net):
        super().__init__()
        self.net = [net]
        self.names = {name: name.replace(".", "_") for name, _ in net.named_parameters()}
        for name, p in net.named_parameters():
            self.register_parameter(f"factor_{self.names[name]}", nn.Parameter(torch.ones_like(p)))
            self.register_buffer(f"value_{self.names[name]}", p.detach().clone())

    def forward(self, x):
        weights = {n: getattr(self, f"factor_{own}") * getattr(self, f"value_{own}") for n, own in self.names.items()}
        return functional_call(self.net[0], weights, (x,))


def examples(task, seeds, count):
    """The first training examples of each lane's own seed: x [L, count, …], y [L, count]."""
    drawn = {int(s): task.train_for(int(s)) for s in set(np.asarray(seeds).tolist())}
    return tuple(torch.stack([drawn[int(s)][i][:count] for s in seeds]) for i in (0, 1))


def plain(task, weights, seeds, count):
    """Largest eigenvalue of the Hessian of the training loss, lane by lane; nan for weights that are not finite."""
    x, y = examples(task, seeds, count)
    return sharpness_lanes(task.model(), task.loss, weights, x, y, own_data=True, **SEARCH).value


def adaptive(task, weights, seeds, count):
    """The same of the Hessian in the factors of the weights."""
    x, y = examples(task, seeds, count)
    net = Factors(task.model())
    values = {f"value_{net.names[n]}": torch.as_tensor(w) for n, w in weights.items()}
    ones = {f"factor_{net.names[n]}": torch.ones_like(torch.as_tensor(w)) for n, w in weights.items()}
    return sharpness_lanes(net, task.loss, ones, x, y, buffers=values, own_data=True, **SEARCH).value


def moved(weights, layers, exponents):
    """Lanes whose layer `layers[0]` is multiplied by 2^exponent (of each lane) and whose layer `layers[1]` is divided by it."""
    alpha = 2.0 ** np.asarray(exponents, dtype=np.float32)
    result = dict(weights)
    for name, factor in (
        (f"{layers[0]}.weight", alpha),
        (f"{layers[0]}.bias", alpha),
        (f"{layers[1]}.weight", 1 / alpha),
    ):
        result[name] = weights[name] * factor.reshape(-1, *[1] * (weights[name].ndim - 1))
    return result


def flattest(task, weights, seeds, count, rounds):
    """Smallest sharpness over both rescalings of a network with three layers, [L]: halving and doubling while it helps."""
    pairs = [("0", "2"), ("2", "4")]
    at, best = np.zeros((2, len(seeds))), plain(task, weights, seeds, count)
    for _ in range(rounds):
        before = at.copy()
        for k in np.ndindex(2, 2):
            trial = at.copy()
            trial[k[0]] += (-1.0, 1.0)[k[1]]
            place = moved(moved(weights, pairs[0], trial[0]), pairs[1], trial[1])
            value = plain(task, place, seeds, count)
            better = value < best
            at[:, better], best = trial[:, better], np.where(better, value, best)
        if (at == before).all():
            break
    return best
