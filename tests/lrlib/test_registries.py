"""What is written is registered: a schedule or a rule that a reader cannot reach fails here, with the step to take."""

import importlib
import pkgutil

import pytest

import lrlib
from lrlib import methods, optimizers, plans, rules
from lrlib.plans import named


def import_all(package):
    """Import every module below a package, so that a file that nothing imports yet is seen too."""
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)


def written(registry, package, source):
    """The names of a registry whose function, `source(entry)`, stands in a package of lrlib."""
    import_all(package)
    return [name for name, entry in registry.items() if source(entry).__module__.startswith(f"{package.__name__}.")]


def schedules():
    return written(named._BUILDERS, plans, lambda builder: builder)


def our_rules():
    return written(rules.RULES, methods, lambda rule: rule.update)


def class_of(rule):
    """The optimizer class that was written for a rule, by its name, or ""."""
    return getattr(optimizers.CLASSES.get(rule), "__name__", "")


@pytest.mark.parametrize("name", schedules())
def test_a_schedule_can_be_reached(name):
    assert name in plans.__all__, f"add {name} to __all__ of lrlib/plans/__init__.py, and import it there"
    assert getattr(plans, name) is named._BUILDERS[name], f"two schedules are called {name}"
    assert name in lrlib.__all__, f"add `{name} as {name}` to the names of .plans in lrlib/__init__.pyi"


@pytest.mark.parametrize("name", our_rules())
def test_a_rule_can_be_reached(name):
    assert name in rules.__all__, f"add {name} to __all__ of lrlib/methods/rules/__init__.py, and import it there"
    assert getattr(rules, name) is rules.RULES[name], f"two rules are called {name}"
    assert class_of(name), f"add a class with rule=rules.{name} to lrlib/methods/optimizers/__init__.py and to CLASSES"
    optimizer = class_of(name)
    assert optimizer in optimizers.__all__, f"add {optimizer} to __all__ of lrlib/methods/optimizers/__init__.py"
    assert optimizer in lrlib.__all__, f"add `{optimizer} as {optimizer}` to .methods.optimizers in lrlib/__init__.pyi"


def test_every_optimizer_class_is_listed():
    """Of those that are written out in lrlib; classes of a user's own rules are made when they are asked for."""
    found = {
        cls.__name__
        for cls in vars(optimizers).values()
        if isinstance(cls, type) and cls.__module__ == optimizers.__name__
    }
    assert found - {"RuleOptimizer"} == {class_of(name) for name in our_rules()}, (
        "add it to CLASSES of methods/optimizers/__init__.py"
    )
