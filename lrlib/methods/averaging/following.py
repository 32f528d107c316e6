"""The steps of an optimizer as the updates of an average."""

import warnings

from ..._base.groups import rehearsed, skipped


class Following:
    """An average that is updated by the steps of an optimizer, until ``remove()``."""

    def __init__(self, average, optimizer, model, start, every):
        self.average, self.model, self.start, self.every = average, model, start, every
        self.parameters, self.begun = _parameters(optimizer), False
        self.hooks = [
            optimizer.register_step_pre_hook(self._before),
            optimizer.register_step_post_hook(self._after),
        ]

    def remove(self) -> None:
        """Follow no more; a second call does nothing."""
        for hook in self.hooks:
            hook.remove()

    def _before(self, optimizer, args, kwargs):
        self.begun = not rehearsed(optimizer)

    def _after(self, optimizer, args, kwargs):
        if not self.begun or skipped(optimizer):
            return
        self.begun = False  # a subclass whose step calls its parent's comes here twice
        average = self.average
        if average.steps >= self.start and (average.steps + 1 - self.start) % self.every == 0:
            average.update(self._source(optimizer))
        average.steps += 1

    def _source(self, optimizer):
        if self.model is not None:
            return self.model
        now = _parameters(optimizer)
        if len(now) != len(self.parameters) or any(a is not b for a, b in zip(now, self.parameters)):
            warnings.warn(
                f"the optimizer has other parameters than when follow was called: the average stays that of those "
                f"{len(self.parameters)}; give follow the model, whose weights are all averaged",
                stacklevel=2,
            )
        return self.parameters


def _parameters(optimizer):
    return [p for group in optimizer.param_groups for p in group["params"]]
