"""The rates that a curvature permits."""

from __future__ import annotations

import math

from ..._base.arguments import flag, number


def largest_stable_rate(
    curvature: float, momentum: float = 0.0, nesterov: bool = False, averaged: bool = False
) -> float:
    r"""The rate beyond which gradient descent leaves a quadratic of that largest curvature.

    .. math:: \frac{2(1+\beta)}{\lambda} \quad\text{(heavy ball)}, \qquad
              \frac{2(1+\beta)}{(1+2\beta)\lambda} \quad\text{(Nesterov)}, \qquad
              \frac{2(1+\beta)}{(1-\beta)\lambda} \quad\text{(averaged)}, \qquad \beta = \text{momentum}

    with the updates of `torch.optim.SGD`, v = βv + g, w = w - ηv (Nesterov: w = w - η(g + βv)), full gradients, no
    dampening. At the limit itself the iterate oscillates for ever. The averaged form, m = βm + (1 - β)g, is Adam's:
    with its `preconditioner` held fixed and λ the preconditioned sharpness, β₁ = 0.9 gives the limit 38/λ.

    Args:
        curvature: λ, the largest eigenvalue; at or below 0 nothing bounds the rate and the result is inf.
        momentum: β, 0 <= β < 1.
        nesterov: Nesterov's update in place of the heavy ball's.
        averaged: the heavy ball with an average of the gradients in place of their sum.

    Raises:
        ValueError, TypeError: a curvature that is no finite number (that of a point where the loss is not finite is
            nan), `momentum` outside [0, 1), a switch that is not True or False, both switches together.

    Example:
        >>> largest_stable_rate(4.0)
        0.5
        >>> largest_stable_rate(4.0, momentum=0.5), largest_stable_rate(4.0, momentum=0.5, nesterov=True)
        (0.75, 0.375)
        >>> round(largest_stable_rate(4.0, momentum=0.9, averaged=True), 9)       # 38 / 4
        9.5

    Source: Polyak (1964) for the heavy ball; Cohen et al. (2021), "Gradient descent on neural networks typically
    occurs at the edge of stability", appendix on momentum, for both; Cohen et al. (2022), "Adaptive gradient
    methods at the edge of stability", for Adam.
    """
    curvature, momentum = number("curvature", curvature, least=-math.inf), number("momentum", momentum, below=1)
    nesterov, averaged = flag("nesterov", nesterov), flag("averaged", averaged)
    if nesterov and averaged:
        raise ValueError("averaged and nesterov exclude each other")
    if curvature <= 0:
        return math.inf
    divisor = 1 + 2 * momentum if nesterov else 1 - momentum if averaged else 1
    return 2 * (1 + momentum) / (curvature * divisor)
