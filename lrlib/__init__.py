"""lrlib: learning rates as plans, runs and records.

plan → run → record → view. A *plan* is a function of the step (`lrlib.plans`), a *run* follows it (`fit`, `sweep`), a
`Record` says what really happened, a *view* draws it (`lrlib.plot`).

Everything public is imported from here, and loaded when it is first used: the list is ``__init__.pyi``. Tasks, update
rules, optimizers and plots are modules with short names of their own: ``tasks.digits``, ``rules.adam``,
``optimizers.for_rule``, ``plot.losses``.

>>> from lrlib import cosine, warmup
>>> plan = warmup(4) >> cosine(8)
>>> plan(0)
0.2
"""

import ast
import difflib
import importlib
from pathlib import Path

__version__ = "0.1.0"


def _face():
    """{public name: (module, name there)}, as `__init__.pyi` lists them."""
    stub = ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    return {alias.asname: (f".{node.module or ''}", alias.name) for node in imports for alias in node.names}


_FACE = _face()
__all__ = [*_FACE, "__version__"]


def __getattr__(name):
    if name not in _FACE:
        close = difflib.get_close_matches(name, _FACE, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}", name=name)
    module, own = _FACE[name]
    home = importlib.import_module(module, __name__)
    globals()[name] = vars(home)[own] if own in vars(home) else importlib.import_module(f".{own}", home.__name__)
    return globals()[name]


def __dir__():
    return sorted({*globals(), *__all__})
