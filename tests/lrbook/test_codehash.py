"""The code hash: a change that can move a number changes it, however the changed code is imported; no other does."""

import ast
import importlib
import inspect
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lrbook
import lrlib
from lrbook import codehash
from lrbook.codehash import code_hash, sources
from lrbook.codetext import read, skeleton
from lrlib import rules, streams

EXPERIMENTS = lrbook.BOOK / "experiments"
SCRIPTS = sorted(path.stem for path in EXPERIMENTS.glob("e[0-9][0-9]_*.py"))
LIBRARY = Path(lrlib.__file__).parent
ENGINE = getattr(lrlib.sweep, "__module__", lrlib.runs.sweeps.__name__)

LAZY = '''
"""A lazy face."""
import ast
import importlib
from pathlib import Path

STUB = ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
HOMES = {a.name: f".{node.module or ''}" for node in STUB.body for a in node.names}
__all__ = list(HOMES)


def __getattr__(name):
    if name not in HOMES:
        raise AttributeError(name)
    home = importlib.import_module(HOMES[name], __name__)
    return vars(home)[name] if name in vars(home) else importlib.import_module(f".{name}", home.__name__)
'''
STUB = """
from . import plans as plans, tasks as tasks
from .looking import plot as plot
from .methods import rules as rules
from .methods.rules import sgd as sgd
from .plans import step as step
from .plans.ramps import linear as linear, warmup as warmup
from .runs.sweeps import sweep as sweep
from .tasks import digits as digits
"""
PLANS = (
    "from .ramps import linear, warmup\nfrom lrlib.plans.steps import step\n\n__all__ = ['linear', 'step', 'warmup']\n"
)
SHIPPED = {  # a small library, as relative paths and texts
    "lrlib/__init__.py": LAZY,
    "lrlib/__init__.pyi": STUB,
    "lrlib/plans/__init__.py": PLANS,
    "lrlib/plans/ramps.py": "from .plan import scaled\n\n\ndef warmup(n):\n    return scaled(n)\n\n\ndef linear(n):\n    return n\n",
    "lrlib/plans/plan.py": "def scaled(n):\n    return 10 * n\n",
    "lrlib/plans/steps.py": "def step(n):\n    return n\n",
    "lrlib/tasks/__init__.py": '"""Tasks."""\nfrom .data import digits\nfrom .toys import quadratic\n',
    "lrlib/tasks/data.py": "def digits(n):\n    from ..streams import drawn\n    return drawn(n)\n",
    "lrlib/tasks/toys.py": "def quadratic(n):\n    return n\n",
    "lrlib/streams.py": "def drawn(n):\n    return n\n",
    "lrlib/methods/__init__.py": "",
    "lrlib/methods/rules/__init__.py": "from .base import RULES\nfrom .descent import sgd\nRULES.update(sgd=sgd)\n",
    "lrlib/methods/rules/base.py": "RULES = {}\n",
    "lrlib/methods/rules/descent.py": "def sgd(n):\n    return n\n",
    "lrlib/runs/__init__.py": "",
    "lrlib/runs/sweeps/__init__.py": "from .lanes import lane\n\n\ndef sweep(n):\n    return lane(n)\n",
    "lrlib/runs/sweeps/lanes.py": "from ...methods.rules import RULES\n\n\ndef lane(n):\n    return RULES['sgd'](n)\n",
    "lrlib/looking/__init__.py": "",
    "lrlib/looking/plot/__init__.py": "from .lines import lines\n",
    "lrlib/looking/plot/lines.py": "def lines(n):\n    return n\n",
}
MODULES = [  # those with code, without `lrlib.`
    path.removeprefix("lrlib/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    for path, text in SHIPPED.items()
    if text != LAZY and ("def " in text or "RULES" in text)
]
NEEDS = {  # of each name of the face: its package, its module, and all that can change what it returns
    "warmup": ("plans", "ramps", {"plans.ramps", "plans.plan"}),
    "step": ("plans", "steps", {"plans.steps"}),
    "digits": ("tasks", "data", {"tasks.data", "streams"}),
    "sgd": ("methods.rules", "descent", {"methods.rules", "methods.rules.base", "methods.rules.descent"}),
}
SWEEP = {"runs.sweeps", "runs.sweeps.lanes", "methods.rules", "methods.rules.base", "methods.rules.descent"}
FORMS = {  # every way to import one name; P stands for its package, M for its module
    "from the face": "from lrlib import NAME\nVALUE = NAME(3)\n",
    "from the face under another name": "from lrlib import NAME as other\nVALUE = other(3)\n",
    "of the face": "import lrlib\nVALUE = lrlib.NAME(3)\n",
    "of the face under another name": "import lrlib as lr\nVALUE = lr.NAME(3)\n",
    "of the face as a value": "import lrlib as lr\nfunction = lr.NAME\nVALUE = function(3)\n",
    "of the face by a written name": "import lrlib\nVALUE = getattr(lrlib, 'NAME')(3)\n",
    "of a package": "from lrlib.P import NAME\nVALUE = NAME(3)\n",
    "of a package by its path": "import lrlib.P\nVALUE = lrlib.P.NAME(3)\n",
    "of a package with a name": "import lrlib.P as p\nVALUE = p.NAME(3)\n",
    "of a package by a written name": "import lrlib.P as p\nVALUE = getattr(p, 'NAME')(3)\n",
    "of a module": "from lrlib.P.M import NAME\nVALUE = NAME(3)\n",
    "of a module by its path": "import lrlib.P.M\nVALUE = lrlib.P.M.NAME(3)\n",
    "of a module with a name": "import lrlib.P.M as m\nVALUE = m.NAME(3)\n",
    "of a module of a package": "from lrlib.P import M\nVALUE = M.NAME(3)\n",
    "of a module by a text": "import importlib\nVALUE = importlib.import_module('lrlib.P.M').NAME(3)\n",
    "of a module by a text, shorter": "from importlib import import_module\nVALUE = import_module('lrlib.P.M').NAME(3)\n",
    "of a package by a text": "import importlib\nVALUE = importlib.import_module('lrlib.P').NAME(3)\n",
    "all of the face": "from lrlib import *\nVALUE = NAME(3)\n",
    "all of a package": "from lrlib.P import *\nVALUE = NAME(3)\n",
    "all of a module": "from lrlib.P.M import *\nVALUE = NAME(3)\n",
    "in a function": "def get(n):\n    from lrlib import NAME\n    return NAME(n)\n\n\nVALUE = get(3)\n",
    "in a method": "class A:\n    def get(self, n):\n        import lrlib as lr\n        return lr.NAME(n)\n\n\nVALUE = A().get(3)\n",
    "in a default": "import lrlib\nVALUE = (lambda n, function=lrlib.NAME: function(n))(3)\n",
    "in a trial": "try:\n    from lrlib import NAME\nexcept ImportError:\n    from lrlib.P.M import NAME\nVALUE = NAME(3)\n",
    "at run time beside types": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from lrlib import linear\n"
    "else:\n    from lrlib import NAME\nVALUE = NAME(3)\n",
}
COMPUTED = {  # ways to import what cannot be read
    "of the face": "import lrlib\nVALUE = getattr(lrlib, 'war' + 'mup')(3)\n",
    "of the face's names": "import lrlib\nVALUE = [vars(lrlib.plans)[name] for name in ['warmup']][0](3)\n",
    "of a package": "from lrlib import plans\nVALUE = getattr(plans, 'war' + 'mup')(3)\n",
    "of a package that is given away": "from lrlib import plans\nVALUE = (lambda p: p.warmup(3))(plans)\n",
    "of a package by a text that is kept": "import importlib\np = importlib.import_module('lrlib.plans')\nVALUE = p.warmup(3)\n",
    "by a text": "import importlib\nVALUE = importlib.import_module('lrlib.' + 'plans').warmup(3)\n",
    "by a renamed function": "from importlib import import_module as load\nVALUE = load('lrlib.plans').warmup(3)\n",
    "by the builtin": "VALUE = __import__('lrlib.plans').plans.warmup(3)\n",
    "from the table of modules": "import sys\nimport lrlib.plans\nVALUE = sys.modules['lrlib.plans'].warmup(3)\n",
    "evaluated": "import lrlib\nVALUE = eval('lrlib.warmup(3)')\n",
    "a name that is nowhere": "import lrlib\ntry:\n    VALUE = lrlib.nowhere(3)\nexcept AttributeError:\n    VALUE = 30\n",
}
FACES = {  # other ways to write the same face
    "a lazy one with a stub": {},
    "one that imports": {"lrlib/__init__.py": STUB, "lrlib/__init__.pyi": None},
    "one that imports all": {
        "lrlib/__init__.py": "from .plans import *\nfrom .methods.rules import *\nfrom .tasks.data import *\n"
        "from . import plans, tasks\nfrom .runs.sweeps import *\n",
        "lrlib/__init__.pyi": None,
        "lrlib/plans/__init__.py": "from .ramps import *\nfrom lrlib.plans.steps import *\n",
    },
    "one that lists for type checkers": {
        "lrlib/__init__.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
        + "".join(f"    {line}\n" for line in STUB.strip().splitlines())
        + LAZY.replace('.with_suffix(".pyi")', '.with_name("table")'),
        "lrlib/table": STUB,
        "lrlib/__init__.pyi": None,
    },
}


def written(name, form, table=FORMS):
    """The text of a form of import, for a name of the face."""
    package, module, _ = NEEDS[name]
    return re.sub(r"\bM\b", module, re.sub(r"\bP\b", package, table[form].replace("NAME", name)))


class Project:
    """A made-up project in a folder: a library, a script, and what lies beside it."""

    def __init__(self, folder, script="", files=()):
        self.folder = Path(folder)
        for name, text in (SHIPPED | dict(files) | {"scripts/e98_helper.py": script}).items():
            self.write(name, text)

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8") if text is not None else path.unlink(missing_ok=True)

    def packages(self):
        return [self.folder / name for name in ("lrlib", "lrbook") if (self.folder / name).exists()]

    def hash(self):
        return code_hash(self.folder / "scripts/e98_helper.py", self.packages())

    def sources(self):
        return set(sources(self.folder / "scripts/e98_helper.py", self.packages()))

    def after(self, name, change):
        """The hash after a change of one file's text, which is then put back."""
        path = self.folder / name
        text = path.read_text(encoding="utf-8") if path.exists() else None
        self.write(name, change(text))
        found = self.hash()
        self.write(name, text)
        return found

    def moved_by(self, module):
        """Whether the hash changes with the code of a module of the library."""
        return self.after(file_of(module), edited) != self.hash()

    def moved(self):
        """The modules of the library whose code changes the hash."""
        return {module for module in MODULES if self.moved_by(module)}


def file_of(module):
    """The file of a module of the made-up library; that of a package is its ``__init__``."""
    path = f"lrlib/{module.replace('.', '/')}"
    return f"{path}.py" if f"{path}.py" in SHIPPED else f"{path}/__init__.py"


def edited(text):
    return f"{text}\nEDITED = 1\n"


def reworded(text):
    """The same code in other words: docstrings, comments, types and layout."""
    text = text.replace("(n):\n", "(\n    n: 'int',\n) -> int:\n    '''Words.'''  # more words\n")
    return f'"""Other words."""\nfrom __future__ import annotations\n{text.replace("return n", "return (n)")}\n# end\n'


# What an import brings in


def test_every_form_runs_and_gives_the_number_that_the_library_says(tmp_path):
    """The tables of forms are programs: each is run, so that none is a way that Python does not have."""
    program = "import sys\nfor text in sys.argv[1:]:\n    space = {}\n    exec(text, space)\n    assert space['VALUE'] == 30, text"
    texts = [written("warmup", form) for form in FORMS] + list(COMPUTED.values())
    for face, files in FACES.items():
        made = Project(tmp_path / face, files=files)
        subprocess.run([sys.executable, "-c", program, *texts], cwd=made.folder, check=True)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("form", FORMS)
def test_hash_follows_a_name_however_it_is_imported_and_brings_in_no_other(tmp_path, form, face):
    made = Project(tmp_path, written("warmup", form), FACES[face])
    ramps, plan = "lrlib/plans/ramps.py", "lrlib/plans/plan.py"
    assert made.after(ramps, lambda text: text.replace("scaled(n)", "scaled(n + 1)")) != made.hash()
    assert made.after(plan, lambda text: text.replace("10", "11")) != made.hash()
    assert made.after(ramps, reworded) == made.after(plan, reworded) == made.hash()
    assert made.moved() == NEEDS["warmup"][2]


@given(
    name=st.sampled_from(sorted(NEEDS)),
    form=st.sampled_from(sorted(FORMS)),
    face=st.sampled_from(sorted(FACES)),
    place=st.sampled_from(["script", "neighbour", "library"]),
    module=st.sampled_from(MODULES),
)
def test_hash_moves_with_a_module_exactly_if_the_name_needs_it(name, form, face, place, module):
    with tempfile.TemporaryDirectory() as folder:
        made, text = Project(folder, files=FACES[face]), written(name, form)
        if place == "script":
            made.write("scripts/e98_helper.py", text)
        elif place == "neighbour":
            made.write("scripts/shared.py", text)
            made.write("scripts/e98_helper.py", "def run():\n    from shared import VALUE\n    return VALUE\n")
        else:
            made.write("lrlib/looking/angles.py", text)
            made.write("scripts/e98_helper.py", "from lrlib.looking.angles import VALUE\n")
        assert made.moved_by(module) == (module in NEEDS[name][2])


@pytest.mark.parametrize("form", COMPUTED)
def test_a_computed_name_brings_in_all_that_it_could_mean(tmp_path, form):
    made = Project(tmp_path, COMPUTED[form])
    wide = made.moved()
    assert wide >= {"plans.ramps", "plans.plan", "plans.steps"}
    assert "looking.plot.lines" not in wide
    if "package" not in form and "plans" not in COMPUTED[form]:
        assert wide == set(MODULES) - {"looking.plot.lines"}
    assert made.after("lrlib/plans/cosines.py", lambda _: "def cosine(n):\n    return n\n") != made.hash()


@pytest.mark.parametrize(
    "text",
    [
        "from .plans import warmup\nVALUE = warmup(3)\n",
        "from .plans.ramps import warmup\nVALUE = warmup(3)\n",
        "from . import plans\nVALUE = plans.warmup(3)\n",
        "from . import warmup\nVALUE = warmup(3)\n",
        "from .plans import ramps as r\nVALUE = r.warmup(3)\n",
        "from .plans import *\nVALUE = warmup(3)\n",
        "def value():\n    from .plans.ramps import warmup\n    return warmup(3)\n",
        "class Run:\n    def value(self):\n        from . import plans as p\n        return p.ramps.warmup(3)\n",
    ],
)
def test_relative_imports_of_the_library_are_followed(tmp_path, text):
    """From a module, and written with two more dots from a package further in."""
    for name, dots in (("lrlib/finder.py", "."), ("lrlib/choosing/finder/__init__.py", "...")):
        files = {"lrlib/choosing/__init__.py": "", name: text.replace("from .", f"from {dots}", 1)}
        module = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        made = Project(tmp_path / module, f"import {module}\n", files)
        assert made.moved() == NEEDS["warmup"][2]


def test_a_sweep_brings_in_its_engine_and_the_rules_that_are_looked_up_by_name(tmp_path):
    made = Project(tmp_path, "from lrlib import sweep\nVALUE = sweep(3)\n")
    assert made.moved() == SWEEP


@pytest.mark.parametrize(
    "script, shared",
    [
        ("from shared import warmup\nVALUE = warmup(3)\n", "from lrlib import warmup\n"),
        ("import shared\nVALUE = shared.lr.warmup(3)\n", "import lrlib as lr\n"),
        ("from shared import plans as p\nVALUE = p.warmup(3)\n", "from lrlib import plans\nplans.step(1)\n"),
        ("from shared import *\nVALUE = plans.warmup(3)\n", "from lrlib import plans\n"),
        ("def run():\n    import shared\n    return shared.run()\n", "import lrlib\nrun = lambda: lrlib.warmup(3)\n"),
    ],
)
def test_neighbours_of_the_script_are_followed(tmp_path, script, shared):
    made = Project(tmp_path, script, {"scripts/shared.py": shared})
    assert made.after("scripts/shared.py", edited) != made.hash()
    assert made.after("scripts/shared.py", lambda text: f'"""Words."""\n{text}') == made.hash()
    assert made.moved_by("plans.ramps") and made.moved_by("plans.plan") and not made.moved_by("tasks.data")


def test_packages_beside_the_script_are_followed_and_what_is_not_imported_does_not_count(tmp_path):
    files = {"scripts/parts/__init__.py": "from .one import run\n", "scripts/other.py": ""}
    files |= {"scripts/parts/one.py": "from ..nothing import x\nrun = 1\n", "scripts/parts/two.py": ""}
    made = Project(tmp_path, "from parts import run\nimport numpy\n", files)
    assert made.after("scripts/parts/one.py", edited) != made.hash()
    assert made.after("scripts/parts/two.py", edited) == made.after("scripts/other.py", edited) == made.hash()


# What hands names on


@pytest.mark.parametrize("form", ["from the face", "of the face", "of a package", "all of the face"])
def test_a_new_schedule_beside_the_old_ones_makes_no_result_stale(tmp_path, form):
    made = Project(tmp_path, written("warmup", form))
    before = made.hash()
    made.write("lrlib/plans/cosines.py", "def cosine(n):\n    return n\n")
    made.write("lrlib/plans/__init__.py", f"from .cosines import cosine\n{PLANS}__all__ += ['cosine']\n")
    made.write("lrlib/__init__.pyi", f"{STUB}from .plans import cosine as cosine\n__version__: str\n")
    assert made.hash() == before


@pytest.mark.parametrize(
    "name, old, new",
    [
        (
            "lrlib/__init__.pyi",
            "import linear as linear, warmup as warmup",
            "import warmup as linear, linear as warmup",
        ),
        ("lrlib/__init__.pyi", "from .plans.ramps import linear as linear, warmup", "from .plans.steps import step"),
        ("lrlib/plans/__init__.py", "import linear, warmup", "import warmup as linear, linear as warmup"),
    ],
)
def test_a_name_that_is_taken_from_elsewhere_changes_the_hash(tmp_path, name, old, new):
    """Also where the modules behind it stay the same."""
    script = "from lrlib.plans import warmup\n" if "plans/" in name else "import lrlib\nVALUE = lrlib.warmup(3)\n"
    made = Project(tmp_path, script)
    assert old in SHIPPED[name] and made.after(name, lambda text: text.replace(old, new)) != made.hash()


@pytest.mark.parametrize("form", ["from .ramps import warmup\n", "from .ramps import *\n"])
def test_the_last_of_two_imports_of_one_name_holds(tmp_path, form):
    last, first = f"{form.replace('ramps', 'steps')}{form}", f"{form}{form.replace('ramps', 'steps')}"
    files = {"lrlib/plans/__init__.py": last, "lrlib/plans/steps.py": "def warmup(n):\n    return n\n"}
    made = Project(tmp_path, "from lrlib.plans import warmup\n", files)
    assert made.after("lrlib/plans/__init__.py", lambda text: first) != made.hash()


def test_an_init_counts_with_all_that_it_imports_once_it_has_code(tmp_path):
    made = Project(tmp_path, "from lrlib.tasks import quadratic\nVALUE = quadratic(3)\n")
    assert not made.moved_by("tasks.data")
    assert made.after("lrlib/tasks/__init__.py", lambda text: f"{text}__version__ = '2'\n__all__ = []\n") == made.hash()
    assert made.after("lrlib/tasks/__init__.py", lambda text: f"{text}digits.noise = 2\n") != made.hash()
    made.write("lrlib/tasks/__init__.py", f"{SHIPPED['lrlib/tasks/__init__.py']}digits.noise = 1\n")
    assert made.moved_by("tasks.data") and made.moved_by("streams")


def test_a_face_that_no_list_tells_brings_in_everything(tmp_path):
    table = "import importlib\nHOMES = {'plans.ramps': ['warmup']}\n\n\ndef __getattr__(name):\n    return importlib\n"
    files = {"lrlib/__init__.py": table, "lrlib/__init__.pyi": None}
    for number, form in enumerate(["from the face", "of the face", "all of the face"]):
        made = Project(tmp_path / str(number), written("warmup", form), files)
        assert made.moved() == set(MODULES) - {"looking.plot.lines"}
        made.write("scripts/e98_helper.py", "from lrlib.plans import step\nVALUE = step(3)\n")
        assert made.moved() == {"plans.steps"}


def test_all_of_a_package_counts_also_where_its_names_come_from_elsewhere(tmp_path):
    files = {"lrlib/extra/__init__.py": "from ..plans import warmup\nfrom ..tasks.data import *\n"}
    made = Project(tmp_path, "from lrlib import extra\nVALUE = getattr(extra, 'war' + 'mup')(3)\n", files)
    assert made.moved() == NEEDS["warmup"][2] | NEEDS["digits"][2]


def test_modules_of_a_package_are_among_all_its_names(tmp_path):
    made = Project(tmp_path, "from lrlib.tasks import *\nVALUE = data.digits(3)\n")
    assert made.moved() == NEEDS["digits"][2]


def test_packages_without_an_init_are_followed(tmp_path):
    files = {"lrlib/new/angles.py": "from ..plans.steps import step\n", "lrlib/new/other.py": ""}
    made = Project(tmp_path, "import lrlib.new.angles as a\nVALUE = a.step(3)\n", files)
    assert made.moved() == {"plans.steps"}
    assert made.after("lrlib/new/angles.py", edited) != made.hash() == made.after("lrlib/new/other.py", edited)


# What does not count


@pytest.mark.parametrize("test", ["TYPE_CHECKING", "typing.TYPE_CHECKING"])
def test_imports_that_only_serve_types_are_not_followed(tmp_path, test):
    text = f"import typing\nfrom typing import TYPE_CHECKING\nif {test}:\n    from lrlib import step\n\n\ndef run():\n    return 1\n"
    made = Project(tmp_path, text)
    assert not made.moved_by("plans.steps")
    assert made.after("scripts/e98_helper.py", lambda text: text.replace("step", "warmup")) == made.hash()
    made.write("scripts/e98_helper.py", f"{text}\n\nimport lrlib\nVALUE = lrlib.step(3)\n")
    assert made.moved_by("plans.steps")


def test_the_other_branch_of_a_test_for_type_checkers_counts():
    same = "from typing import TYPE_CHECKING\nif not TYPE_CHECKING:\n    a = 1\nelse:\n    b = 1\n"
    assert skeleton(same) == skeleton("from typing import TYPE_CHECKING\na = 1\n")


def test_views_do_not_count_but_a_folder_that_is_called_like_them_does(tmp_path):
    text = "from lrlib import plot\nfrom lrlib.looking.plot.lines import lines\nfrom lrlib.plans.plot import area\nplot.lines(3)\n"
    files = {"lrlib/plans/plot/__init__.py": "from .lines import area\n", "lrlib/plans/plot/lines.py": "area = 1\n"}
    made = Project(tmp_path / "plot", text, files | {"lrlib/looking/plot/extra.py": "def lines(n):\n    return n\n"})
    assert not made.moved_by("looking.plot.lines") and made.after("lrlib/looking/plot/extra.py", edited) == made.hash()
    assert made.after("lrlib/plans/plot/lines.py", edited) != made.hash()
    assert "lrlib.plans.plot.lines" in made.sources()


STATISTICS = codehash.STATISTICS[0].removeprefix("lrbook.")


@pytest.mark.parametrize(
    "script",
    [
        f"from lrbook.{STATISTICS} import measured\n",
        "from lrbook import measured\n",
        "import lrbook\nVALUE = lrbook.measured(3)\n",
        "from lrbook.runner import Runner, measured\n",
        "from quantities import per_seed\n",
    ],
)
def test_of_the_books_tools_only_the_statistics_count(tmp_path, script):
    files = {
        "lrbook/__init__.py": "from .language import t\n\n\ndef __getattr__(name):\n    return 1\n",
        f"lrbook/{STATISTICS}.py": "from lrlib import step\nfrom . import results\n\n\ndef measured(n):\n    return step(n)\n",
        "lrbook/results.py": "LIMIT = 1\n",
        "lrbook/language.py": "def t(key):\n    return key\n",
        "lrbook/runner.py": f"from .{STATISTICS} import measured\n\n\nclass Runner:\n    pass\n",
        "scripts/quantities.py": "from lrbook.runner import measured\n\n\ndef per_seed(n):\n    return measured(n)\n",
    }
    made = Project(tmp_path, script, files)
    assert made.after(f"lrbook/{STATISTICS}.py", edited) != made.hash() and made.moved_by("plans.steps")
    for name in ("__init__", "results", "language", "runner"):
        assert made.after(f"lrbook/{name}.py", edited) == made.hash()


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_turns_values_into_intervals_is_hashed_with_every_experiment(name):
    found = set(sources(EXPERIMENTS / f"{name}.py"))
    assert {"lrbook.quantity", "lrlib._base.statistics"} <= found


def test_hash_ignores_words_and_layout_only():
    base = "def f(x):\n    return x + 1\n"
    assert skeleton(base) == skeleton(
        '"""M."""\n\n\ndef f(x: int) -> int:\n    """D."""\n    # c\n    return (x + 1)\n'
    )
    for other in ("def f(x):\n    return x + 2\n", "def g(x):\n    return x + 1\n", base + "f(1)\n"):
        assert skeleton(base) != skeleton(other)


# Names and places


def test_files_of_one_name_are_told_apart(tmp_path):
    one, two = "def step(n):\n    return n\n", "def step(n):\n    return n + 1\n"
    script = "from lrlib.plans.steps import step\nfrom lrlib.steps import step as other\n"
    files = {"lrlib/plans/steps.py": one, "lrlib/tasks/steps.py": two}
    made = Project(tmp_path / "one", script, files)
    swapped = Project(tmp_path / "two", script, {"lrlib/plans/steps.py": two, "lrlib/tasks/steps.py": one})
    assert made.hash() != swapped.hash()


def test_hash_does_not_depend_on_where_the_project_lies_or_what_was_left_there(tmp_path):
    script = "import lrlib\nVALUE = lrlib.warmup(3), lrlib.warmup.__name__, lrlib.plans.ramps.linear(3)\n"
    made, other = Project(tmp_path / "a", script), tmp_path / "z" / "lrlib" / "plot"
    for moved_away in ("lrlib/warmup", "lrlib/plans/ramps"):
        (other / moved_away / "__pycache__").mkdir(parents=True)
    assert Project(other, script).hash() == made.hash() and len(made.hash()) == 16


def test_hash_does_not_depend_on_the_order_of_sets(tmp_path):
    made = Project(tmp_path, "from lrlib import digits, linear, sgd, step, sweep, warmup\n")
    program = (
        "import sys, pathlib\nfrom lrbook.codehash import code_hash\nscript, *packages = map(pathlib.Path, sys.argv[1:])\n"
        "print(code_hash(script, packages))"
    )
    words = [sys.executable, "-c", program, made.folder / "scripts/e98_helper.py", *made.packages()]
    paths = os.pathsep.join([str(lrbook.BOOK), *sys.path])
    for seed in "123":
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": paths}
        said = subprocess.run(words, env=environment, check=True, capture_output=True, text=True).stdout
        assert said.strip() == made.hash()


def test_a_script_that_is_not_there_has_no_hash(tmp_path):
    with pytest.raises(FileNotFoundError):
        code_hash(tmp_path / "e98_helper.py", Project(tmp_path / "other").packages())


# The project itself


@pytest.fixture
def experiments(monkeypatch):
    """Import a script as it is when it is run, with its neighbours."""
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    return importlib.import_module


def computing(found):
    """The modules that take others by computed names."""
    unreadable = {name for name, path in found.items() if read(path.read_text(encoding="utf-8")).unreadable}
    return sorted(unreadable - set(codehash.LOADERS))


def texts(found):
    """The texts of a script and its neighbours."""
    return "".join(path.read_text(encoding="utf-8") for path in found.values() if path.parent == EXPERIMENTS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_experiment_is_hashed_with_its_engine_and_without_views(name):
    found = sources(EXPERIMENTS / f"{name}.py")
    assert lrbook.measured.__module__ in found and lrbook.exact.__module__ in found
    assert not any("plot" in module for module in found)
    assert "lrlib.cli" not in found, f"everything counts, because of a name in {computing(found)} or that is nowhere"
    if re.search(r"\bsweep\(", texts(found)):
        assert {streams.__name__, ENGINE, f"{ENGINE}.lanes", f"{ENGINE}.run"} <= set(found)
        assert {rule.update.__module__ for rule in rules.RULES.values() if "lrlib" in rule.update.__module__} <= set(
            found
        )


def test_no_code_of_the_project_reads_types_at_run_time():
    """So that they may be left out of the hash."""
    for folder in (LIBRARY, EXPERIMENTS):
        for path in folder.rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"singledispatch|get_type_hints|__annotations__|\.annotation\b", text), path


def test_what_acts_on_others_while_it_is_loaded_is_loaded_by_code_that_counts():
    """A call, or a value put into something else, at the top of a module in a package that only hands names on."""
    for path in LIBRARY.glob("*/**/*.py"):
        init = read(path.with_name("__init__.py").read_text(encoding="utf-8"))
        body = ast.parse(path.read_text(encoding="utf-8")).body
        calls = [node for node in body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
        targets = [target for node in body if isinstance(node, ast.Assign) for target in node.targets]
        puts = [target for target in targets if isinstance(target, (ast.Attribute, ast.Subscript))]
        assert init.acts or not (calls or puts), path


@pytest.mark.parametrize("name", ["e05_last_iterate_bound", "e06_double_well", "e51_edge_of_stability"])
def test_all_code_of_the_project_that_an_experiment_runs_is_hashed(name, experiments):
    """Watched while it runs, whatever way its code was imported."""
    script, ran = experiments(name), set()

    def watch(frame, event, _):
        if event == "call" and frame.f_code.co_name != "<module>":
            ran.add(frame.f_code.co_filename)

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        script.run("quick")
    finally:
        sys.setprofile(before)
    project = [str(path) for path in (LIBRARY, lrbook.BOOK)]
    ran = {Path(path) for path in ran if path.startswith(tuple(project))}
    assert ran and ran <= set(sources(EXPERIMENTS / f"{name}.py").values())


def test_the_key_of_the_shared_training_is_the_hash_of_its_code(experiments, monkeypatch):
    large_rates, keys = experiments("large_rates"), []
    monkeypatch.setattr(large_rates, "cached", lambda name, key, make: keys.append(key) or {"threshold": np.ones(10)})
    large_rates.reordered("full", [[1.0] * 40], [0.1] * 40)
    large_rates.trained.__wrapped__("full")
    assert [key["code"] for key in keys] == [code_hash(large_rates.__file__)] * (
        1 + len(large_rates.blocks({"seeds": 40}))
    )


def test_the_shared_training_is_made_again_after_a_change_in_any_module_that_it_uses(experiments, tmp_path):
    large_rates = experiments("large_rates")
    shutil.copytree(LIBRARY, tmp_path / "lrlib")
    script = Path(shutil.copy(large_rates.__file__, tmp_path))
    for neighbour in EXPERIMENTS.glob("*.py"):
        shutil.copy(neighbour, tmp_path)
    before = code_hash(script, [tmp_path / "lrlib"])
    for module in used_by(large_rates):
        file = tmp_path / Path(inspect.getsourcefile(sys.modules[module])).relative_to(LIBRARY.parent)
        text = file.read_text(encoding="utf-8")
        file.write_text(edited(text), encoding="utf-8")
        assert code_hash(script, [tmp_path / "lrlib"]) != before, module
        file.write_text(text, encoding="utf-8")
    assert code_hash(script, [tmp_path / "lrlib"]) == before


def used_by(large_rates):
    """Names of modules that the shared training runs: what it imports, the engine, its rule, its data."""
    values = [value for value in vars(large_rates).values() if inspect.isroutine(value)]
    modules = {value.__module__ for value in (*values, large_rates.tasks.mnist1d, rules.get("sgd").update)}
    modules |= {streams.__name__, ENGINE, *(name for name in sys.modules if name.startswith(f"{ENGINE}."))}
    assert len(found := {module for module in modules if module.startswith("lrlib")}) > 8
    return sorted(found)
