"""The peers of each rule: how to build each with the options that mean the same as ours.

``PEERS[rule]`` is a list of `Peer`. A peer's ``build(groups)`` takes group dicts in our names (``params``, ``lr``,
``beta1``, …) and returns its optimizer; ``free`` names the options that a test may draw, ``fixed`` those that the
peer needs to have at a value.
"""

import contextlib
import importlib
import importlib.util
import io
import sys
import types
from dataclasses import dataclass, field

import adabelief_pytorch
import pytorch_optimizer
import torch


@dataclass
class Peer:
    """An independent implementation of a rule."""

    oracle: str
    make: object  # (group dicts in the peer's names, maximize) → optimizer
    free: tuple = ("lr", "weight_decay")
    fixed: dict = field(default_factory=dict)
    climbs: bool = False  # whether it can maximize
    tensor_rate: bool = False  # whether it takes the rate as a tensor
    names: dict = field(default_factory=dict)  # our option → the peer's

    def build(self, groups, maximize=False):
        """The peer's optimizer for groups in our names."""
        if maximize and not self.climbs:
            raise ValueError(f"{self.oracle} cannot maximize")
        return self.make([self._translated(group) for group in groups], maximize)

    def _translated(self, group):
        group = {self.names.get(name, name): value for name, value in group.items() if name not in self.fixed}
        if "beta1" in group:
            group["betas"] = (group.pop("beta1"), group.pop("beta2"))
        return group


def timm(module):
    """A single file of timm, ``timm.optim.lars`` for one, without timm's own ``__init__``, which needs torchvision."""
    if "timm" not in sys.modules:
        where = importlib.util.find_spec("timm").submodule_search_locations[0]
        for name in ("timm", "timm.optim", "timm.scheduler"):
            stand_in = types.ModuleType(name)
            stand_in.__path__ = [where + "/".join(["", *name.split(".")[1:]])]
            sys.modules[name] = stand_in
    return importlib.import_module(module)


def torch_peer(cls, free=(), names=None, **options):
    """A class of ``torch.optim``, which climbs and takes tensor rates."""
    return Peer(
        "torch",
        lambda groups, maximize: cls(groups, maximize=maximize, foreach=False, **options),
        ("lr", "weight_decay", *free),
        climbs=True,
        tensor_rate=True,
        names=names or {},
    )


def pytorch_optimizer_peer(name, free=(), fixed=None, names=None, **options):
    """A class of pytorch-optimizer."""
    cls = getattr(pytorch_optimizer, name)
    return Peer(
        "pytorch-optimizer",
        lambda groups, maximize: cls(groups, maximize=maximize, foreach=False, **options),
        ("lr", "weight_decay", *free),
        fixed or {},
        climbs=True,
        names=names or {},
    )


def timm_peer(module, name, free=(), fixed=None, names=None, **options):
    """A class of timm."""

    def make(groups, maximize):
        return getattr(timm(f"timm.optim.{module}"), name)(groups, foreach=False, **options)

    return Peer("timm", make, ("lr", "weight_decay", *free), fixed or {}, names=names or {})


def quiet_adabelief(groups, maximize=False, **options):
    """``adabelief-pytorch`` without its printed advice."""
    with contextlib.redirect_stdout(io.StringIO()):
        return adabelief_pytorch.AdaBelief(groups, print_change_log=False, **{"rectify": False, **options})


ADAM, OF_ADAM = torch.optim.Adam, ("beta1", "beta2", "eps")
PEERS = {
    "sgd": [torch_peer(torch.optim.SGD)],
    "momentum": [torch_peer(torch.optim.SGD, ("momentum",), momentum=0.9)],
    "nesterov": [torch_peer(torch.optim.SGD, ("momentum",), momentum=0.9, nesterov=True)],
    "adagrad": [torch_peer(torch.optim.Adagrad, ("eps",))],
    "rmsprop": [torch_peer(torch.optim.RMSprop, ("alpha", "eps"))],
    "adam": [torch_peer(ADAM, OF_ADAM)],
    "amsgrad": [torch_peer(ADAM, OF_ADAM, amsgrad=True)],
    "adamw": [torch_peer(torch.optim.AdamW, OF_ADAM), timm_peer("adamw", "AdamWLegacy", OF_ADAM)],
    "radam": [
        torch_peer(torch.optim.RAdam, OF_ADAM),
        pytorch_optimizer_peer("RAdam", OF_ADAM, {"weight_decay": 0.0}, degenerated_to_sgd=True),
    ],
    "adabelief": [
        Peer("adabelief-pytorch", quiet_adabelief, ("lr", "weight_decay", *OF_ADAM)),
        pytorch_optimizer_peer("AdaBelief", OF_ADAM),
        timm_peer("adabelief", "AdaBelief", OF_ADAM, rectify=False),
    ],
    "lars": [
        timm_peer("lars", "Lars", ("momentum", "trust", "eps"), names={"trust": "trust_coeff"}, always_adapt=True),
        pytorch_optimizer_peer("LARS", ("momentum", "trust"), {"eps": 0.0}, names={"trust": "trust_coefficient"}),
    ],
}
