"""What every engine does alike in a step: say which losses are sound, and add the task's noise to the gradients."""

from .._base.arguments import LEAST_LOSS


def sound(loss, first, diverged_at):
    """Whether a loss, a number or [L], is finite and at most ``diverged_at`` times the first one in size.

    A first loss below `LEAST_LOSS` sets no limit.

    >>> sound(3.0, 1.0, 1e3), sound(1e4, 1.0, 1e3), sound(1e4, 1e-9, 1e3), sound(float("nan"), 1.0, 1e3)
    (True, False, True, False)
    """
    finite = loss - loss == 0
    return finite & ((loss <= diverged_at * abs(first)) | (abs(first) <= LEAST_LOSS))


def is_noisy(task):
    """Whether the task adds noise to its gradients."""
    return callable(task.noise) or task.noise > 0


def noisy(task, parameters, gradients, row):
    """Gradients with the noise of a step: {name: [L, …]}; ``row`` [L, size] is N(0, 1), parameters in their order.

    A parameter without a gradient keeps having none.
    """
    scale = task.noise if callable(task.noise) else lambda _: task.noise
    pieces = row.split([p[0].numel() for p in parameters.values()], dim=1)
    return {
        name: None if gradients[name] is None else gradients[name] + scale(p) * z.view_as(p)
        for (name, p), z in zip(parameters.items(), pieces)
    }
