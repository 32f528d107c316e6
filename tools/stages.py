"""`run.py test`: the stages that CI runs, in order, each as a program of its own, with a table at the end."""

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from .choice import chosen
from .environment import Environment

PYTEST = ("-m", "pytest", "-q")
TWO = ("-n", "2", "--dist", "loadfile")
EACH = ("-n", "2", "--dist", "loadgroup")  # where the tests of one file take long
NBVAL = ("--nbval", "--nbval-current-env", "--nbval-cell-timeout=300", "--nbval-sanitize-with=tests/nbval_sanitize.cfg")
PATIENCE = 3  # a stage is ended at this multiple of its budget, and a machine may be slow
NO_TEST = 5  # pytest's status where it found or chose none
LEAST = 600  # but never before so many seconds
PROGRAMS = {
    "a browser (Chromium)": ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    "a C++ compiler": ("g++", "c++", "clang++", "cl"),
    "Node": ("node",),
}


@dataclass(frozen=True)
class Stage:
    """One stage: its commands' arguments to Python, the folders it reads, its budget on two quiet cores."""

    name: str
    budget: int
    commands: tuple[tuple[str, ...], ...]
    folders: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()  # programs without which the whole stage is not run
    wants: tuple[str, ...] = ()  # programs without which some of its tests skip themselves
    may_be_empty: bool = False  # whether it is right that no test is run, as where -k chooses none of this stage


UNIT = ("tests/lrlib", "tests/lrbook", "tests/widgets", "tests/book", "tests/assignments")
PACKAGES = ("lrlib", "widgets/lrwidgets", "book/lrbook")
STAGES = (
    Stage("setup", 60, ((*PYTEST, *TWO, "tests/setup"),), ("tests/setup",)),
    Stage(
        "unit",
        260,
        ((*PYTEST, *TWO, *UNIT, "--doctest-modules", *PACKAGES),),
        (*UNIT, *PACKAGES),
        wants=("a C++ compiler", "Node", "a browser (Chromium)"),
    ),
    Stage("conformance", 120, ((*PYTEST, *TWO, "tests/conformance"),), ("tests/conformance",)),
    Stage(
        "notebooks",
        260,
        ((*PYTEST, *TWO, *NBVAL, "book/en", "book/ja"),),
        ("book/en", "book/ja", "tests/nbval_sanitize.cfg"),
    ),
    Stage("experiments", 420, ((*PYTEST, *EACH, "tests/experiments"),), ("tests/experiments",)),
    Stage("book", 80, (("-m", "lrbook.build", "en"), ("-m", "lrbook.build", "ja")), ("book/lrbook/build.py",)),
    Stage("pages", 240, ((*PYTEST, *TWO, "tests/pages"),), ("tests/pages",), needs=("a browser (Chromium)",)),
    Stage("lab", 80, ((*PYTEST, *TWO, "tests/lab"),), ("tests/lab",), needs=("a browser (Chromium)",)),
)
ENVIRONMENT_BUDGET = 240


@dataclass
class Result:
    """What a stage came to."""

    name: str
    budget: int
    seconds: float = 0.0
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    notes: list[str] = field(default_factory=list)

    def add(self, passed: int, failed: int, skipped: int) -> None:
        self.passed, self.failed, self.skipped = self.passed + passed, self.failed + failed, self.skipped + skipped

    def words(self) -> str:
        counts = f"{self.passed} passed, {self.failed} failed" + (f", {self.skipped} skipped" * bool(self.skipped))
        late = [f"over its budget of {self.budget} s"] if self.seconds > self.budget else []
        return "; ".join([counts] * bool(self.passed + self.failed + self.skipped) + self.notes + late) or "done"


def test(env: Environment, words: list[str], environment_seconds: float, expression: str | None = None) -> int:
    """Run the stages and paths of ``words`` (all by default), print the table, and return 1 if anything failed."""
    results = [Result("environment", ENVIRONMENT_BUDGET, environment_seconds)]
    for stage in chosen(env.root, STAGES, words, expression):
        results.append(run_stage(env, stage))
    if expression is not None and not any(result.passed + result.failed + result.skipped for result in results):
        say(results[-1], f"no test is chosen by -k {expression!r}", strict=True)
    print("\n" + table(results) + "\n" + totals(results), flush=True)
    return 1 if any(result.failed for result in results) else 0


def run_stage(env: Environment, stage: Stage) -> Result:
    """Run one stage; what is missing fails it in CI, and elsewhere is said in one line."""
    print(f"\n=== {stage.name}", flush=True)
    result, strict = Result(stage.name, stage.budget), "CI" in os.environ
    for reason in missing(env.root, stage):
        say(result, f"not run: {stage.name}, because {reason}", strict)
    if not result.notes:
        for program in filter(None, map(absent, stage.wants)):
            say(result, f"not run: tests in {stage.name} that need {program}, because there is none", strict)
        started = time.monotonic()
        for number, command in enumerate(stage.commands):
            run_command(env, stage, number, command, result)
        result.seconds = time.monotonic() - started
    return result


def say(result: Result, line: str, strict: bool) -> None:
    """Print a reason and keep it; in CI it counts as a failure."""
    print(line, flush=True)
    result.notes.append(line)
    result.failed += strict


def missing(root: Path, stage: Stage) -> list[str]:
    """Why a stage cannot run here: folders that are not there, programs that are not installed."""
    gone = [f"{folder} is missing" for folder in stage.folders if not (root / folder).exists()]
    return gone + [f"there is no {program.split(' ', 1)[1]}" for program in filter(None, map(absent, stage.needs))]


def absent(program: str) -> str:
    """The program's description if it is not installed, else ""; `CHROMIUM` may hold a browser's own path."""
    names = [os.environ.get("CHROMIUM", "")] * ("Chromium" in program) + list(PROGRAMS[program])
    return "" if any(shutil.which(name) for name in names if name) else program


def run_command(env: Environment, stage: Stage, number: int, command: tuple[str, ...], result: Result) -> None:
    """Run one command of a stage and add up what it passed and failed."""
    report = env.root / "_build" / "reports" / f"{stage.name}-{number}.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    counted = "pytest" in command
    status = run_limited(
        env, [*command, *([f"--junitxml={report}"] if counted else [])], max(LEAST, PATIENCE * stage.budget)
    )
    passed, failed, skipped = read_report(report) if counted else (int(status == 0), 0, 0)
    if status == NO_TEST and stage.may_be_empty:
        return
    if status and not failed:  # ended at the limit, crashed, or found no test
        failed = 1
        result.notes.append(f"ended with status {status}" if status != "limit" else "ended at its time limit")
    result.add(passed, failed, skipped)


def run_limited(env: Environment, command: list[str], limit: float) -> int | str:
    """Run a command and all that it starts, at most `limit` seconds; returns its status, or "limit"."""
    group = {"start_new_session": True} if os.name == "posix" else {}
    process = subprocess.Popen(
        [str(env.python), *command],
        cwd=env.root,
        stdin=subprocess.DEVNULL,
        env=env.variables(OMP_NUM_THREADS="1"),
        **group,
    )
    try:
        return process.wait(timeout=limit)
    except subprocess.TimeoutExpired:
        return "limit"
    finally:
        end(process)


def end(process: subprocess.Popen) -> None:
    """Leave nothing behind that a stage started."""
    if os.name == "posix":
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
    elif process.poll() is None:
        process.kill()
    process.wait()


def read_report(path: Path) -> tuple[int, int, int]:
    """Passed, failed and skipped tests from pytest's JUnit report; zeros where there is none."""
    if not path.exists():
        return 0, 0, 0
    suites = list(ElementTree.parse(path).iter("testsuite"))
    tests, failures, errors, skipped = (
        sum(int(suite.get(key, 0)) for suite in suites) for key in ("tests", "failures", "errors", "skipped")
    )
    bad = min(failures + errors, tests)
    return tests - bad - skipped, bad, skipped


def table(results: list[Result]) -> str:
    """The stages with their seconds, budgets and results."""
    rows = [("stage", "seconds", "budget", "result")]
    rows += [(r.name, f"{r.seconds:.0f}", str(r.budget), r.words()) for r in results]
    rows.append(("all", f"{sum(r.seconds for r in results):.0f}", str(sum(r.budget for r in results)), ""))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return "\n".join(f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}  {d}".rstrip() for a, b, c, d in rows)


def totals(results: list[Result]) -> str:
    """The closing line, alone: what all stages came to."""
    passed, failed, skipped = (sum(getattr(r, key) for r in results) for key in ("passed", "failed", "skipped"))
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")
