"""What an adaptive optimizer divides its update by."""

from __future__ import annotations

import torch

from ..._base.arguments import module, tensor_of

RULES = ("adam", "adamw", "amsgrad", "adabelief", "rmsprop", "adagrad")
CLASSES = (torch.optim.Adam, torch.optim.RMSprop, torch.optim.Adagrad)
SQUARES = ("max_exp_avg_sq", "v_max", "exp_avg_sq", "square_avg", "sum", "v", "s")


def preconditioner(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    r"""The diagonal P of an adaptive optimizer's update w ← w - η P⁻¹ m, as of its last step.

    .. math:: P = (1-\beta_1^t)\left(\sqrt{v/(1-\beta_2^t)} + \varepsilon\right) \ \text{(Adam, AdamW, AMSGrad)},
              \qquad P = \sqrt{v} + \varepsilon \ \text{(RMSProp, AdaGrad)}

    with m the moving average (1 - β₁)Σβ₁ᵏg without its correction, whose factor 1 - β₁ᵗ is therefore part of P.
    AdaBelief's s stands for v, and v less the square of its mean where `torch.optim.RMSprop` is centered.

    Args:
        model: gives the names.
        optimizer: an optimizer of this package or of `torch.optim` that has made a step.

    Returns:
        dict from the name of each trainable parameter to a tensor of its shape.

    Raises:
        TypeError: an optimizer that does not divide by such a root alone.
        ValueError: a trainable parameter that it does not hold or has not updated yet.

    Example:
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> optimizer = torch.optim.Adam(model.parameters(), betas=(0.9, 0.99), eps=0.0)
        >>> model.weight.grad = torch.tensor([[-2.0]])
        >>> optimizer.step()
        >>> preconditioner(model, optimizer)                                # 0.1 · |-2|
        {'weight': tensor([[0.2000]])}

    Source: Cohen et al. (2022), "Adaptive gradient methods at the edge of stability".
    """
    module("model", model), _check_kind("optimizer", optimizer)
    held = {id(p): (group, optimizer.state.get(p, {})) for group in optimizer.param_groups for p in group["params"]}
    result = {}
    for name, p in model.named_parameters():
        if p.requires_grad:
            group, state = held.get(id(p), (None, {}))
            if not state:
                raise ValueError(f"optimizer: has made no step yet with the parameter {name!r}")
            result[name] = _diagonal(group, state)
    return result


def inverse_root(given, model):
    """P^(-1/2) of an optimizer or of a dict P, by name."""
    if isinstance(given, dict):
        diagonal = {n: tensor_of(f"preconditioner[{n!r}]", t) for n, t in given.items()}
    else:
        _check_kind("preconditioner", given)
        diagonal = preconditioner(model, given)
    for name, p in model.named_parameters():
        entries = diagonal.get(name) if p.requires_grad else p
        if entries is None or entries.shape != p.shape:
            raise ValueError(
                f"preconditioner: {name!r} must be a tensor of shape {tuple(p.shape)}; got "
                f"{None if entries is None else tuple(entries.shape)}"
            )
        if p.requires_grad and not bool((torch.isfinite(entries) & (entries > 0)).all()):
            raise ValueError(f"preconditioner: {name!r} must be positive and finite everywhere")
    return {name: entries.double().rsqrt() for name, entries in diagonal.items()}


def _check_kind(name, optimizer):
    rule = getattr(getattr(optimizer, "rule", None), "name", None)
    if rule not in RULES and not isinstance(optimizer, CLASSES):
        raise TypeError(
            f"{name}: {type(optimizer).__name__} keeps no average of squared gradients that alone it "
            "divides by; Adam, AdamW, AMSGrad, AdaBelief, RMSProp and AdaGrad do"
        )


@torch.no_grad()
def _diagonal(group, state):
    squares = next(state[n] for n in SQUARES if n in state)
    mean = state["grad_avg"].double() if group.get("centered") else 0.0
    root, t = (squares.double() - mean**2).sqrt(), float(state["step"])
    betas = group.get("betas", (group.get("beta1"), group.get("beta2")))
    if betas[0] is None:
        return (root + group["eps"]).to(squares)
    beta1, beta2 = map(float, betas)
    return ((1 - beta1**t) * (root / (1 - beta2**t) ** 0.5 + group["eps"])).to(squares)
