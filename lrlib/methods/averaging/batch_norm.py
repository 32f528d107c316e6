"""Batch-norm statistics of weights that never ran together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from ..._base.device import moved
from .weights import fill

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def update_batch_norm(model: torch.nn.Module, batches: Iterable[torch.Tensor | Sequence[torch.Tensor]]) -> None:
    """Measure the statistics of all batch-normalisation layers anew: plain means over the batches.

    Averaged weights never ran together, so the running statistics of none of them fit. The layers are reset and see
    every batch once in training mode; all else is in evaluation mode, so that the statistics are those of the network
    that will be evaluated (no dropout) and no random number is drawn. Every batch counts alike. Modes and momenta are
    put back; so are the statistics if a batch fails.

    Args:
        model: a module, on its device; batches are moved there.
        batches: iterable of x, or of (x, …), whose first entry is the input.

    Raises:
        ValueError, TypeError: there is no batch; something that is no module.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.BatchNorm1d(1))
        >>> update_batch_norm(model, [torch.tensor([[1.0], [3.0]]), torch.tensor([[5.0], [7.0]])])
        >>> model[0].running_mean, model[0].running_var                           # (2 + 6)/2 and (2 + 2)/2
        (tensor([4.]), tensor([2.]))

    Source: Izmailov et al. (2018), section 3.2; PyTorch's `update_bn`, which keeps dropout on.
    """
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"model must be a torch.nn.Module; got {type(model).__name__}")
    layers = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    if not layers:
        return
    modes, momenta = [(m, m.training) for m in model.modules()], [(m, m.momentum) for m in layers]
    kept = [{name: b.clone() for name, b in m.named_buffers()} for m in layers]
    try:
        model.eval()
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None
            layer.train()
        _pass(model, batches)
    except BaseException:
        for layer, buffers in zip(layers, kept):
            fill(dict(layer.named_buffers()), buffers)
        raise
    finally:
        for module, mode in modes:
            module.training = mode
        for layer, momentum in momenta:
            layer.momentum = momentum


@torch.no_grad()
def _pass(model, batches):
    device, seen = next(iter(model.state_dict().values())).device, False
    for batch in batches:
        model(moved(batch[0] if isinstance(batch, (tuple, list)) else batch, device))
        seen = True
    if not seen:
        raise ValueError("batches: there is none, so there are no statistics")
