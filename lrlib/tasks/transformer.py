"""A small causal Transformer, of matrix products and softmax alone, so that many of them run as lanes of a sweep."""

from __future__ import annotations

import math

import torch
from torch import nn

from .._base.arguments import MOST_LAYERS, MOST_UNITS, whole


class Attention(nn.Module):
    """Causal self-attention of several heads: [n, T, d] → [n, T, d].

    softmax(Q Kᵀ/√(d/heads) + mask) V head by head, then a linear map; place t sees the places up to t.
    """

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.incoming, self.outgoing = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        n, length, width = x.shape
        split = self.incoming(x).view(n, length, 3, self.heads, width // self.heads)
        q, k, v = split.permute(2, 0, 3, 1, 4)  # each [n, heads, T, d/heads]
        score = q @ k.transpose(-1, -2) / math.sqrt(width // self.heads)
        place = torch.arange(length, device=x.device)
        score = score.masked_fill(place > place[:, None], -math.inf)
        return self.outgoing((score.softmax(-1) @ v).transpose(1, 2).reshape(n, length, width))


class Block(nn.Module):
    """Attention and a two-layer ReLU network of four times the width, each on normalised inputs and added to them."""

    def __init__(self, width, heads):
        super().__init__()
        self.before_attention, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.before_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width))

    def forward(self, x):
        x = x + self.attention(self.before_attention(x))
        return x + self.mlp(self.before_mlp(x))


class CausalTransformer(nn.Module):
    r"""Reads symbols 0 … classes − 1 and scores the next one at every place: integers [n, T] → logits [n, T, classes].

    .. math:: h_0 = E[x] + P, \quad h' = h + \mathrm{Att}(\mathrm{LN}(h)), \quad
              h = h' + \mathrm{MLP}(\mathrm{LN}(h')), \quad \text{logits} = W\,\mathrm{LN}(h)

    Learned positions P, normalisation before each part ("pre-norm"), no dropout. Weights N(0, 1/fan-in), the maps
    that are added to the sum :math:`1/\sqrt{2 \cdot \text{blocks}}` of that, embeddings and positions N(0, 1),
    biases 0. No random number is drawn in the forward pass, and the output at t depends on the symbols up to t alone.

    Args:
        classes: number of symbols.
        context: T at most.
        width: d, a multiple of ``heads``.
        blocks, heads: at least 1.

    Raises:
        TypeError, ValueError: no whole number, or a width that the heads cannot share. The forward pass raises
            ``ValueError`` for inputs that are no integers [n, T] with T from 1 to ``context``.

    Example:
        >>> model = CausalTransformer(classes=5, context=8, width=16)
        >>> model(torch.zeros(2, 8, dtype=torch.long)).shape, sum(p.numel() for p in model.parameters())
        (torch.Size([2, 8, 5]), 3605)

    Source: Vaswani et al. (2017), "Attention is all you need"; normalisation first: Xiong et al. (2020), "On layer
    normalization in the Transformer architecture".
    """

    def __init__(self, classes: int, context: int, width: int = 32, blocks: int = 1, heads: int = 2) -> None:
        super().__init__()
        self.classes, self.context = whole("classes", classes, 2, MOST_UNITS), whole("context", context, 1, MOST_UNITS)
        width, heads = whole("width", width, 1, MOST_UNITS), whole("heads", heads, 1, MOST_UNITS)
        blocks = whole("blocks", blocks, 1, MOST_LAYERS)
        if width % heads:
            raise ValueError(f"width must be a multiple of heads, {heads}; got {width}")
        self.symbols = nn.Parameter(torch.randn(classes, width))
        self.places = nn.Parameter(torch.randn(context, width))
        self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(blocks)])
        self.norm, self.readout = nn.LayerNorm(width), nn.Linear(width, classes)
        self._draw((2 * blocks) ** -0.5)

    def _draw(self, added):
        """First weights of the linear maps; ``added``: factor of those whose output is added to the sum."""
        for name, layer in self.named_modules():
            if isinstance(layer, nn.Linear):
                factor = added if name.endswith(("outgoing", "mlp.2")) else 1.0
                nn.init.normal_(layer.weight, std=factor * layer.in_features**-0.5)
                nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of the next symbol: integers [n, T] → logits [n, T, classes]."""
        if x.dim() != 2 or x.is_floating_point() or not 1 <= x.shape[1] <= self.context:
            raise ValueError(
                f"x must be integers [n, T] with T from 1 to {self.context}; got {tuple(x.shape)} {x.dtype}"
            )
        hot = (x[..., None] == torch.arange(self.classes, device=x.device)).to(self.symbols.dtype)
        h = self.blocks(hot @ self.symbols + self.places[: x.shape[1]])
        return self.readout(self.norm(h))
