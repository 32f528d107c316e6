"""The data of one run: its batches in the order of its seed, and its full sets."""

from ..._base.device import placed
from ..._base.streams import Order

AHEAD = 128  # steps whose batch rows are looked up together


class Batches:
    """Training data of a single-lane `Description`, on its device: ``at(t)`` → the (x, y) that step t trains on."""

    def __init__(self, description):
        d, self.task, self.seed = description, description.task, int(description.seed[0])
        self.device, self.dtype, self.steps = d.device, d.dtype, d.steps
        self.x, self.y = placed(self.task.train_for(self.seed), self.device, self.dtype)
        self.order = None if self.task.batch is None else Order(self.seed, len(self.x), self.task.batch)
        self.rows, self.first_row = (), 0

    def at(self, t):
        """The batch of step t, augmented where the task says so."""
        x, y = self.x, self.y
        if self.order is not None:
            rows = self._rows(t)
            x, y = x.index_select(0, rows), y.index_select(0, rows)
        return (x if self.task.augment is None else self.task.augmented(x, self.seed, t)), y

    def _rows(self, t):
        if not self.first_row <= t < self.first_row + len(self.rows):
            rows = self.order.rows(t, min(t + AHEAD, self.steps))
            self.first_row, self.rows = t, rows.to(self.device).unbind()
        return self.rows[t - self.first_row]

    def sets(self):
        """{part: (x, y)} of the full sets that the task has."""
        own = {part: getattr(self.task, part) for part in ("valid", "test")}
        others = {part: placed(data, self.device, self.dtype) for part, data in own.items() if data is not None}
        return {"train": (self.x, self.y)} | others
