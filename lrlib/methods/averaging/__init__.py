"""Averages of weights along a run: exponential (EMA), stochastic weight averaging (SWA), latest checkpoints (LAWA).

An average is fed by `Average.update`, or by every step of an optimizer (`Average.follow`), and lent to the model for
as long as a ``with`` block lasts. It averages a list of stored weights as well (`Average.over`).

>>> import torch
>>> model = torch.nn.Linear(1, 1, bias=False)
>>> swa = SWA()
>>> for weight in (1.0, 2.0, 6.0):
...     _ = model.weight.data.fill_(weight)
...     swa.update(model)
>>> with swa.applied(model):
...     model.weight.item()
3.0
>>> model.weight.item()
6.0

`average` is what all share, `means` are the three kinds, `following` takes the steps of an optimizer as updates,
`weights` the names and tensors of what is averaged; `batch_norm` measures the statistics of averaged weights.
"""

from .average import Average
from .batch_norm import update_batch_norm
from .means import EMA, LAWA, SWA

__all__ = ["EMA", "LAWA", "SWA", "Average", "update_batch_norm"]
