"""The command line: a user's own task in, tables, records and figures out; bad input in one line."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lrlib import Record, plans
from lrlib.cli import expression, main, source, sweep, values

MODULE = """
import torch
from lrlib import tasks
from {helper} import WIDTH

def make_task():
    g = torch.Generator().manual_seed(0)
    x = torch.randn(60, 5, generator=g)
    y = (x[:, 0] > x[:, 1]).float()
    sets = (x[:40], y[:40]), (x[40:50], y[40:50]), (x[50:], y[50:])
    return tasks.Task("own", lambda: tasks.mlp([5, WIDTH, 1]), *sets, tasks.binary_loss, tasks.binary_accuracy, 8, 20)

READY = make_task()

def broken():
    return 1 / 0

def number():
    return 3

def leaves():
    raise SystemExit(3)

def wants(width):
    return READY

def of(x, loss=tasks.binary_loss):
    sets = (x, torch.zeros(len(x))), (x, torch.zeros(len(x)))
    return tasks.Task("own", lambda: tasks.mlp([5, 8, 1]), *sets, None, loss, tasks.binary_accuracy, 8, 20)

def of_nan():
    return of(torch.full((40, 5), float("nan")))

def of_one_nan():
    x = torch.ones(40, 5)
    x[3] = float("nan")
    return of(x)

def of_a_constant():
    return of(torch.ones(40, 5), lambda output, y: 0 * output.sum() + 1)

def cannot_train():
    task = make_task()
    task.augment = no_inputs
    return task

def no_inputs(x, generator):
    raise RuntimeError("no inputs today")

def of_squares():
    task = make_task()
    task.metric, task.metric_name = squares, "squares"
    return task

def squares(output, y):
    return (output.squeeze(-1).sigmoid() - y).square().mean()
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder with a user's module and the module that it imports, as the working folder."""
    number = len(sys.modules)  # a name of its own for each test: modules are imported once
    (tmp_path / f"helper_{number}.py").write_text("WIDTH = 8\n", encoding="utf-8")
    (tmp_path / f"mine_{number}.py").write_text(MODULE.format(helper=f"helper_{number}"), encoding="utf-8")
    (tmp_path / "folder.npz").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return f"mine_{number}"


def out(capsys, *argv, code=0):
    assert main([str(word) for word in argv]) == code
    return capsys.readouterr()


@pytest.mark.parametrize(
    "text",
    [
        "warmup(100) >> cosine(900)",
        "0.5 * linear(10, final=0.1) * (warmup(3) >> hold(20))",
        "cosine(5).repeat(3, stretch=2, decay=0.5)",
        "ramp(10, 1/4, 1, shape='cosine')",
    ],
)
def test_a_plan_as_text_is_the_plan(text):
    names = {name: getattr(plans, name) for name in plans.__all__}
    assert expression.plan(text) == eval(text, names)
    assert expression.plan(repr(expression.plan(text))) == expression.plan(text)


@pytest.mark.parametrize(
    "text, words",
    [
        ("__import__('os').system('true')", "not allowed"),
        ("open('x')", "'open' is not known"),
        ("warmup", "write warmup"),
        ("().__class__", "not allowed"),
        ("warmup(3).__init__(4)", "not allowed"),
        ("[h for h in (1,)]", "not allowed"),
        ("lambda: 1", "not allowed"),
        ("9**9**9", "not allowed"),
        ("warmup(3) >>", "no expression"),
        ("3", "no plan"),
        ("warmup(-1)", "at least 0"),
        ("warmup(**{'n': 3})", r"not allowed"),
        ("hold(1/0)", "division"),
        ("", "no expression"),
        ("Plan()", "'Plan' is not known"),
        ("warmup(3).length", "not allowed"),
        ("(" * 5000, "nested|expression"),
        ("warmup(3) + 'a'", "take numbers and what a call returns; got 'a'"),
        ("'a' * 10000000000", "take numbers and what a call returns; got 'a'"),
        ("[0] * 10000000000", r"take numbers and what a call returns; got \[0\]"),
        ("3 * (1, 2) * warmup(3)", r"take numbers and what a call returns; got \(1, 2\)"),
        ("-{}", "take numbers and what a call returns; got {}"),
        ("warmup(3) * True", "take numbers and what a call returns; got True"),
        ("'abc'.cut(3)", "cut belongs to what a call returns; got 'abc'"),
        ("(5).repeat(3)", "repeat belongs to what a call returns; got 5"),
        ("(2 + 3).resize(3)", "resize belongs to what a call returns; got 5"),
        ("[warmup(3)].cut(3)", r"cut belongs to what a call returns; got \[warmup"),
        ("-" * 9000 + "1", "nested too deeply"),
        ("1" + "-1" * 4900, "nested too deeply"),
        ("warmup(3)" + ".cut(2)" * 500, "at most 50 levels|nested too deeply"),
        ("warmup(1" + "0" * 400 + ")", "n must be at most"),
        ("1" * 5000, "no expression"),
        ("cosine(9, min_lr=0.1)", r"cosine\(n, final=0, inclusive=False\): got an unexpected keyword argument"),
    ],
)
def test_nothing_but_plans_and_arithmetic_is_evaluated(text, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        expression.plan(text)


@pytest.mark.parametrize("text", ["linear(3)" * 2000, "'" + "a" * 5000 + "'", "[" + "0, " * 3000 + "]"])
def test_a_refused_text_is_shown_in_a_line(text):
    with pytest.raises(ValueError) as caught:
        expression.plan(text)
    assert len(str(caught.value)) < 1500


def test_words_become_values():
    assert np.allclose(values.rates("1e-3:10:5"), np.geomspace(1e-3, 10, 5)) and values.rates("0.5").tolist() == [0.5]
    assert values.seeds_of("3,") == [3] and values.setting("momentum=ramp(9, 1, 0.5)")[1] == plans.ramp(9, 1, 0.5)
    for parse, words in [
        (
            values.rates,
            [
                "1:2",
                "2:1:5",
                "0:1:4",
                "a",
                "1:2:x",
                "nan",
                "-1",
                "1:2:1",
                "1e-3:10:1000000000",
                "1:2:10001",
                "0.1,0.2,0.1",
            ],
        ),
        (values.seeds_of, ["0", "x", "", "1.5"]),
        (values.setting, ["momentum", "=1", "a=", "a=1x"]),
    ]:
        for word in words:
            with pytest.raises(values.argparse.ArgumentTypeError):
                parse(word)


def test_plan_explains_and_draws(capsys, tmp_path):
    figure = tmp_path / "plan.svg"
    text = out(capsys, "plan", "warmup(4) >> cosine(20)", "--lr", 0.1, "--figure", figure).out
    assert "steps 4 to 23: falls from 1 to 0 (cosine)" in text
    assert ["4", "0.1"] in [line.split() for line in text.splitlines()]
    assert "<svg" in figure.read_text(encoding="utf-8")
    data = json.loads(out(capsys, "plan", "linear(4)", "--at", "0,1,9", "--json").out)
    assert data["value"] == [1, 0.75, 0] and data["length"] == 4 and data["area"] == 2.5
    assert "10" in out(capsys, "plan", "step(5)", "--steps", 10).out
    assert "--steps" in out(capsys, "plan", "step(5)", code=2).err


@pytest.mark.parametrize(
    "words, area",
    [
        (["linear(100000000000)"], 5e10),
        (["one_cycle(1000000000)"], 5.06e8),
        (["warmup(3).repeat(1000000000)"], 1.5e9),
        (["step(1, times=100000000)"], 10 / 9),
        (["cosine_restarts(10)", "--steps", "100000000"], 5.5e7),
        (["ramp(100000000000, 1, 0, shape=2)"], None),  # would have to be added step by step
    ],
)
def test_a_long_plan_is_explained_as_a_short_one_is(capsys, words, area):
    data = json.loads(out(capsys, "plan", *words, "--json").out)
    assert data["area"] == (None if area is None else pytest.approx(area, rel=1e-3)) and len(data["step"]) < 20
    assert len(out(capsys, "plan", *words).out.splitlines()) < 30


def test_a_plan_too_long_to_draw_says_so(capsys):
    words = ["plan", "linear(100000000000)", "--figure", "plan.svg"]
    assert "steps must be at most 10,000,000" in out(capsys, *words, code=2).err


def test_sweep_of_a_module_of_ones_own(capsys, own, tmp_path):
    words = [
        "sweep",
        f"{own}:make_task",
        "--lr",
        "0.01:1:3",
        "--seeds",
        4,
        "--rule",
        "momentum",
        "--set",
        "momentum=0.5",
        "--plan",
        "linear(20)",
        "--dtype",
        "float64",
    ]
    answer = out(capsys, *words, "--record", "runs.npz", "--figure", "curve.png")
    record = Record.load("runs.npz")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG") and answer.err == ""
    assert record.task == "own" and record.lr.shape == (12, 20) and record.plan == "linear(20)"
    rows = {line.split()[0]: line for line in answer.out.splitlines()[2:5]}
    summary = record.summary("valid_loss")
    for lr, mean in zip(summary["lr"], summary["mean"]):
        assert f"{mean:.4g} [" in rows[f"{lr:.4g}"]
    best = summary["lr"][summary["mean"].argmin()]
    assert f"best by valid_loss: rate {best:.4g}" in answer.out and "<- best" in rows[f"{best:.4g}"]
    data = json.loads(out(capsys, *words, "--json", "--by", "test_metric", "--set", "momentum=constant()").out)
    assert np.allclose([r["valid_loss"]["mean"] for r in data["rates"]], summary["mean"])
    assert data["by"] == "test_metric"


def test_sweep_by_a_metric_takes_the_end_that_is_best(capsys, own):
    words = ["sweep", f"{own}:of_squares", "--lr", "1e-3,1", "--seeds", 2, "--json", "--by", "valid_metric"]
    unsaid = out(capsys, *words, code=2)
    assert "lowest must say which end of the metric 'squares' of task 'own' is best" in unsaid.err and unsaid.out == ""
    for flag, best in (("--lowest", np.argmin), ("--no-lowest", np.argmax)):
        data = json.loads(out(capsys, *words, flag).out)
        assert data["best"]["index"] == best([row["valid_metric"]["mean"] for row in data["rates"]])
    words = ["sweep", "convex_logistic(steps=20)", "--lr", "1e-3,1", "--seeds", 2, "--json", "--by", "test_metric"]
    data = json.loads(out(capsys, *words).out)  # the gap of the loss, which is best low
    assert data["best"]["index"] == np.argmin([row["test_metric"]["mean"] for row in data["rates"]])
    refused = out(capsys, "sweep", f"{own}:make_task", "--lr", "1", "--no-lowest", code=2).err
    assert "lowest must be True or None for valid_loss" in refused


def test_sweep_goes_on_from_its_folder_and_reports_divergence(capsys, own, tmp_path):
    words = ["sweep", f"{tmp_path / own}.py:READY", "--lr", "0.1,1e9", "--seeds", "7,8", "--folder", "kept", "--json"]
    first, second = (json.loads(out(capsys, *words).out) for _ in range(2))
    assert "2 of them taken from kept" in second["path_reason"] and "taken" not in first["path_reason"]
    assert [r["diverged"] for r in second["rates"]] == [0, 2] and second["rates"][1]["valid_loss"]["mean"] is None
    assert second["best"]["lr"] == 0.1 and second["seeds"] == [7, 8] and second["rates"] == first["rates"]
    lost = out(capsys, "sweep", f"{own}:make_task", "--lr", "1e8,1e9", code=1)
    assert "no run reached its end" in lost.out and "3 of 3" in lost.out


def test_find_suggests_with_intervals_and_a_threshold(capsys, own, tmp_path):
    text = out(
        capsys,
        "find",
        f"{own}:make_task",
        "--seeds",
        3,
        "--steps",
        60,
        "--low",
        1e-4,
        "--threshold",
        0.65,
        "--budget",
        20,
        "--start",
        0.1,
        "--record",
        "test.npz",
        "--figure",
        "test.pdf",
    ).out
    assert "steepest" in text and " to " in text and "convergence threshold (batch loss 0.65 within 20 steps): " in text
    assert Record.load("test.npz").lr.shape == (3, 60) and (tmp_path / "test.pdf").read_bytes().startswith(b"%PDF")
    data = json.loads(out(capsys, "find", "quadratic((4.0,))", "--seeds", 2, "--json", "--low", 1e-3).out)
    assert data["suggestions"]["valley"]["rate"] < 0.5 and len(data["suggestions"]) == 5
    failed = out(capsys, "find", "quadratic", "--seeds", 1, "--threshold", -1, "--budget", 3, code=1).out
    assert "valley" in failed and "0% of 1 seeds converged" in failed


@pytest.mark.parametrize(
    "task, reason",
    [
        ("of_nan", "the loss is not finite before the first update: look at the data and at the loss"),
        (
            "of_one_nan",
            r"the curve is too short, with [1-9] of 100 steps \(not finite\), for the rules, which leave out",
        ),
        ("of_a_constant", "the loss is the same at every rate: look at whether anything is trained"),
    ],
)
def test_find_says_why_no_rule_has_a_rate(capsys, own, tmp_path, task, reason):
    words = ["find", f"{own}:{task}", "--seeds", 2]
    text = out(capsys, *words, "--figure", tmp_path / "find.svg", code=1).out
    assert re.search(f"^no rule has a rate: {reason}", text, re.M) and (tmp_path / "find.svg").exists()
    assert re.match(reason, json.loads(out(capsys, *words, "--json", code=1).out)["reason"])


def test_find_with_a_rate_has_no_reason(capsys):
    data = json.loads(out(capsys, "find", "quadratic((4.0,))", "--seeds", 1, "--json", "--low", 1e-3).out)
    assert data["reason"] is None


def test_sweep_tells_data_that_are_not_finite_from_rates_that_are_too_large(capsys, own):
    text = out(capsys, "sweep", f"{own}:of_nan", "--lr", "1e-5,0.1", "--seeds", 2, code=1).out
    assert "the loss is not finite before the first update; look at the data" in text and "smaller rates" not in text
    assert "try smaller rates" in out(capsys, "sweep", "quadratic", "--lr", "1e8,1e9", code=1).out


def test_the_table_of_a_sweep_says_what_was_taken_from_its_folder(capsys, own):
    words = ["sweep", "quadratic", "--seeds", 2, "--folder", "kept"]
    assert "taken" not in out(capsys, *words, "--lr", "0.1").out
    assert "1 of them taken from kept" in out(capsys, *words, "--lr", "0.1,0.2").out.splitlines()[1]


@pytest.mark.parametrize(
    "words, message",
    [
        (["sweep", "absent_module:make", "--lr", "1"], "No module named 'absent_module'"),
        (["sweep", "absent.py:make", "--lr", "1"], "there is no such file"),
        (["sweep", "OWN:nothing", "--lr", "1"], "has no 'nothing'; functions in it: make_task"),
        (["sweep", "OWN:broken", "--lr", "1"], "ZeroDivisionError: division by zero, line 16 of mine"),
        (["sweep", "OWN:number", "--lr", "1"], "gives int; a lrlib.Task is needed"),
        (["sweep", "pixels", "--lr", "1"], "'pixels' is no ready-made task (breast_cancer"),
        (["sweep", "OWN", "--lr", "1"], "write one of your own as module:function"),
        (["sweep", "OWN:leaves", "--lr", "1"], "failed: SystemExit: 3, line"),
        (["sweep", "OWN:wants", "--lr", "1"], "missing 1 required positional argument: 'width'\n"),
        (["sweep", "quadratic", "--lr", "1", "--record", "folder.npz"], "--record folder.npz: it is a folder"),
        (
            ["sweep", "quadratic", "--lr", "1", "--rule", "momentum", "--set", "momentum=0.5", "--set", "momentum=0.9"],
            "--set gives an option twice",
        ),
        (["find", "quadratic", "--threshold", "nan"], "--threshold must be"),
        (["find", "quadratic", "--threshold", "1", "--start", "-3"], "--start must be"),
        (["find", "quadratic", "--threshold", "1", "--budget", "0"], "--budget must be"),
        (["find", "quadratic", "--threshold", "1", "--budget", "9" * 20], "--budget must be at most 100,000,000"),
        (["sweep", "digits(colour=1)", "--lr", "1"], "unexpected keyword"),
        (["sweep", "quadratic", "--lr", "1", "--rule", "adum"], "unknown rule 'adum'"),
        (["sweep", "quadratic", "--lr", "1", "--set", "speed=1"], "unknown option 'speed'"),
        (["sweep", "quadratic", "--lr", "1", "--device", "abacus"], "not available here"),
        (["sweep", "quadratic", "--lr", "1", "--by", "valid_loss"], "evaluates train_loss, train_metric"),
        (["sweep", "quadratic", "--lr", "1", "--figure", "a.gif"], "must end in .png, .svg, .pdf"),
        (["sweep", "quadratic", "--lr", "1", "--record", "no/where.npz"], "there is no folder"),
        (["sweep", "quadratic", "--lr", "2:1:3"], "low:high:count"),
        (["sweep", "quadratic", "--lr", "1", "--plan", "cosine(1"], "no expression"),
        (["sweep", "quadratic", "--lr", "1", "--steps", "0"], "steps must be"),
        (["find", "quadratic", "--low", "3", "--high", "1"], "low must be below high"),
        (["plan", "cosine(9)", "--figure", "no/where.png"], "there is no folder"),
        (["plan", "cosine(9)", "--lr", "-1"], "--lr must be"),
        (["plan", "cosine(9)", "--steps", "0"], "--steps must be"),
        (["plan", "step(9)", "--steps", "9" * 30], "--steps must be at most 9,007,199,254,740,992"),
        (["plan", "cosine(9)", "--at", "1,-1"], "at must be a list of steps"),
        (["plan", "cosine(9)", "--at", "9" * 30], "at must be a list of steps"),
        (["sweep", "quadratic", "--lr", "1", "--seeds", "9" * 10], "at most 1,000,000 seeds"),
        (["sweep", "quadratic", "--lr", "1", "--steps", "9" * 10], "steps must be at most 100,000,000"),
        (["sweep", "quadratic('a' * 10000000000)", "--lr", "1"], "take numbers and what a call returns"),
        (["sweep", "quadratic() * 3", "--lr", "1"], "unsupported operand"),
        (["sweep", "quadratic", "--lr", "1", "--jobs", "0"], "jobs (or -1"),
        (["swep"], "invalid choice"),
        ([], "required"),
        (["sweep", "quadratic"], "the following arguments are required: --lr; --help lists the arguments"),
        (["find", "quadratic", "--steps", "many"], "argument --steps: invalid int value: 'many'"),
        (
            ["sweep", "quadratic", "--lr", "1", "--momentum", "0.9"],
            "unrecognized arguments: --momentum 0.9; an option of the rule is given by --set momentum=0.9; --help",
        ),
        (["large-rate", "OWN:make_task", "--momentum=0.9", "3"], "is given by --set momentum=0.9; --help"),
        (["find", "quadratic", "--weight_decay"], "is given by --set weight_decay=VALUE; --help"),
        (["find", "quadratic", "--speed", "3"], "lrlib find: error: unrecognized arguments: --speed 3; --help"),
        (["plan", "cosine(9)", "--momentum", "0.9"], "error: unrecognized arguments: --momentum 0.9; --help"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_2(capsys, own, words, message):
    answer = out(capsys, *[word.replace("OWN", own) for word in words], code=2)
    assert message in answer.err and "Traceback" not in answer.err and answer.out == ""
    assert answer.err.count("\n") == 1


def test_what_fails_in_the_run_says_so_with_exit_code_1(capsys, own, monkeypatch):
    failed = out(capsys, "sweep", f"{own}:cannot_train", "--lr", "1", code=1)
    assert "RuntimeError" in failed.err and "Traceback" not in failed.err
    assert "Traceback" in out(capsys, "sweep", f"{own}:cannot_train", "--lr", "1", "--traceback", code=1).err
    monkeypatch.setattr(source, "task", lambda text: (_ for _ in ()).throw(KeyboardInterrupt))
    assert "interrupted" in out(capsys, "sweep", "digits", "--lr", "1", code=130).err
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "pip install matplotlib" in out(capsys, "plan", "cosine(3)", "--figure", "a.png", code=2).err


def test_progress_is_one_line_where_somebody_watches(capsys, own, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("lrlib.cli.output.EVERY", 0)
    shown = out(capsys, "sweep", f"{own}:make_task", "--lr", "0.1,1e9", "--seeds", 1).err
    assert "step 20 of 20, 1 of 2 runs diverged" in shown and "\n" not in shown and shown.endswith("\x1b[K")
    words = ["sweep", f"{own}:make_task", "--lr", "0.1,0.2", "--seeds", 1, "--folder", "kept"]
    assert "1 of 2 runs" in out(capsys, *words).err
    assert out(capsys, "sweep", f"{own}:make_task", "--lr", "0.1", "--quiet").err == ""


def test_the_best_rate_is_compared_over_the_same_seeds():
    def record(table, diverged=()):
        table = np.array(table, dtype=float)
        rates, seeds = table.shape
        status = np.full(rates * seeds, "finished", dtype="<U8")
        status[list(diverged)] = "diverged"
        lanes = rates * seeds
        ends = {"step": np.array([1]), "valid_loss": table.reshape(-1, 1)}
        return Record(
            np.repeat(np.arange(1.0, rates + 1), seeds),
            np.tile(np.arange(seeds), rates),
            status,
            np.arange(1),
            np.ones((lanes, 1)),
            np.ones((lanes, 1)),
            ends,
        )

    noisy = record([[1, 5, 9], [1.1, 5.1, 9.1], [0.9, 5.2, 9.05]])  # rate 2 is worse by 0.1 at every seed
    assert sweep.chosen(noisy, "valid_loss", lowest=True) == {"index": 0, "lr": 1.0, "same": [3.0], "edge": "lower"}
    flattered = record([[1, 1, 0], [2, 2, 2]], diverged=[2])  # the mean of survivors does not count
    assert sweep.chosen(flattered, "valid_loss", lowest=True)["lr"] == 2.0
    assert sweep.chosen(record([[1.0], [2.0]], diverged=[0, 1]), "valid_loss", lowest=True) is None


def test_the_program_itself(own):
    words = [sys.executable, "-m", "lrlib", "sweep", f"{own}:make_task", "--lr", "0.1", "--jobs", "1"]
    surroundings = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ran = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, env=surroundings)
    assert ran.returncode == 0 and "best by valid_loss: rate 0.1" in ran.stdout, ran.stderr
    assert "1 rates ? 3 seeds" in ran.stdout, "a console without × shows the rest"


def test_the_library_does_without_the_command_line():
    room = Path(plans.__file__).parents[1]
    files = [
        path for path in room.rglob("*.py") if "cli" not in path.relative_to(room).parts and path.name != "__main__.py"
    ]
    assert len(files) > 50
    assert not [
        path.name for path in files if re.search(r"^\s*(from|import) [\w.]*\bcli\b", path.read_text("utf-8"), re.M)
    ]
