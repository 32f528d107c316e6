"""What was applied: the values of an option that the optimizer held in each step, recorded just after the step.

The hooks of `lrlib.attach` (`attachment`) call a `Track` for each option that follows a plan: `Track.apply` sets the
value for step t just before it, and `Track.record` reads it back from the optimizer just after.
"""

import array

import numpy as np

from .._base import arguments, groups


class Track:
    """One option that follows a plan, and the record of it: one row a step, one column a group."""

    def __init__(self, option, plan, rule=None):
        self.option, self.plan, self.rule = option, plan, rule
        self.name = "plan" if option == "lr" else f"the plan of {option}"
        self.base, self.last = groups.keys(option)
        self.clear()

    def clear(self):
        self.used, self.bases = array.array("d"), array.array("d")

    def value(self, group):
        return groups.held(group, self.option)

    def mark(self, group):
        """Take a group in; its base is its value now, unless it is as a plan left it in a saved run."""
        value = self.value(group)
        if self.base not in group or group.get(self.last) != value:
            group[self.base] = float(value)
        group[self.last] = value

    def check_left(self, column):
        """Raise where a group does not hold what it was left with, which is about to be overwritten."""
        now, left = [groups.held(group, self.option) for group in column], [group[self.last] for group in column]
        if now != left:
            place = next(k for k, pair in enumerate(zip(now, left)) if pair[0] != pair[1])
            raise ValueError(
                f"{self.option} of group {place} is {now[place]!r}, but was left at {left[place]!r}: under a plan a "
                "value set by hand, or by another scheduler, would be overwritten; change the base value with set_base "
                "(0 freezes a group), or detach() first"
            )

    def at(self, t):
        """plan(t), checked."""
        return arguments.factor_at(self.name, self.plan, t)

    def factor(self, t, column):
        """plan(t), if every group in ``column`` can take base · plan(t)."""
        factor = self.at(t)
        if factor > 1:  # a factor up to 1 takes no option out of its range
            self.check(factor * max(group[self.base] for group in column), t)
        return factor

    def check(self, value, t):
        if groups.is_beta(self.option) and value >= 1:
            raise ValueError(f"{self.option} must stay below 1; at t={t} its plan gives {value:.6g}")
        self.check_range([value])

    def check_range(self, values):
        """Raise where a rule of this library refuses a value of its option."""
        if self.option in getattr(self.rule, "defaults", ()):
            for value in values:
                self.rule.check(**{self.option: value})

    def apply(self, factor, column):
        option, base, last = self.option, self.base, self.last
        for group in column:
            value = group[base] * factor
            if type(group.get(option)) is float:  # nearly always
                group[option] = group[last] = value
            else:
                group[last] = groups.put(group, option, value)

    def record(self, column):
        """Write down what each group holds now, just after the step that was made with it."""
        option, base, last = self.option, self.base, self.last
        for group in column:
            group[last] = value = groups.held(group, option)
            self.used.append(value)
            self.bases.append(group[base])

    def widen(self, old, new):
        """Make room for groups that were added: they are nan in the steps before."""
        for name in ("used", "bases"):
            wide = np.full((len(getattr(self, name)) // old, new), np.nan)
            wide[:, :old] = np.array(getattr(self, name)).reshape(-1, old)
            setattr(self, name, array.array("d", wide.tobytes()))
