"""What an optimizer class shows of its rule: its signature and its docstring."""

import inspect
from inspect import Parameter


def positional(cls):
    """Names of the options that the class takes by position after ``params``: ``lr``, or those of torch's class."""
    return ("lr",) if cls.call is None else cls.call.positional


def signature(cls):
    """The signature of a class: ``params``, the options with the defaults that they have, ``maximize``, ``path``."""
    options = {**cls.rule.defaults, "maximize": False, "path": "eager"}
    if cls.call is not None:
        switches = {name for on in cls.call.rules for name in on}
        shown = {n: p.default for n, p in cls.call.parameters.items() if n in (*positional(cls), *switches)}
        options = {**shown, **options, **cls.call.defaults(cls.rule)}
    by_place = [Parameter("params", Parameter.POSITIONAL_OR_KEYWORD)]
    by_place += [Parameter(n, Parameter.POSITIONAL_OR_KEYWORD, default=options.pop(n)) for n in positional(cls)]
    return inspect.Signature(
        [*by_place, *(Parameter(n, Parameter.KEYWORD_ONLY, default=value) for n, value in options.items())]
    )


def docstring(cls):
    """The class's own words, the rule's without its example, the options, and how calls of torch's class are read."""
    rule = cls.rule
    options = ", ".join(f"{name}={value!r}" for name, value in rule.defaults.items())
    parts = [inspect.cleandoc(cls.__doc__)] if cls.__doc__ else []
    parts.append(inspect.getdoc(rule).split(">>>")[0].strip() if rule.__doc__ else "")
    parts.append(f"Runs `rules.{rule.name}`. Options and defaults: {options}.")
    if cls.call is not None:
        parts.append(_calls(cls.call))
    if rule.source:
        parts.append(f"Source: {rule.source}.")
    return "\n\n".join(part for part in parts if part)


def _calls(call):
    others = ", ".join(f"with {' and '.join(on)} `rules.{rule.name}`" for on, rule in call.rules.items() if on)
    mapped = {name for on in call.rules for name in on}
    lacking = ", ".join(name for name in call.switches if name not in mapped)
    return (
        f"Takes the calls of ``torch.optim.{call.name}`` as they stand{'; ' * bool(others)}{others}. What no rule does "
        f"({lacking}) is a ``TypeError``, unless it is off."
    )
