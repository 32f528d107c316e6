"""The large-rate recipe: what is compared is what was trained, chosen on validation, and said as it is."""

import dataclasses
import html.parser
import inspect
import json
import os
import re
import signal
import string
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from lrlib import Difference, Stalling, cosine, evaluate_weights, fit, interval, large_rate, sweep, tasks
from lrlib.choosing import recipe
from lrlib.choosing.recipe.asked import Asked
from lrlib.choosing.recipe.stages import Stages
from lrlib.choosing.recipe.verdict import best, difference, outcome_of
from lrlib.choosing.recipe.words import WORDS, of
from lrlib.cli import main

MODULE = """
import torch
from lrlib import tasks

def make_task():
    g = torch.Generator().manual_seed(0)
    x = torch.randn(120, 5, generator=g)
    y = (x[:, 0] > x[:, 1]).float()
    sets = (x[:60], y[:60]), (x[60:90], y[60:90]), (x[90:], y[90:])
    return tasks.Task("own <task>", lambda: tasks.mlp([5, 6, 1]), *sets, tasks.binary_loss, tasks.binary_accuracy, 10, 40)

def without_valid():
    task = make_task()
    task.valid = None
    return task
"""
own = {}
exec(MODULE, own)  # the text is also written to a file, as a user's module


def huber(delta, output, y):
    return nn.functional.huber_loss(output.squeeze(-1), y, delta=delta)


QUICK = {
    "seeds": 2,
    "steps": 20,
    "converged": 0.3,
    "averages": (2, 3),
    "rates": (0.5, 1.5, 3),
    "precision": 0.4,
    "finetune_rates": (0.01, 0.1),
    "path": "loop",
    "start": 4.0,
}
TASKS = {
    "own": (own["make_task"], {}),
    "digits": (lambda: tasks.digits(width=8, depth=1), {"converged": 1.6, "start": 0.4}),
    "mnist1d": (
        lambda: tasks.mnist1d(train=100, valid=50, test=50, width=8, depth=1, batch=20),
        {"converged": 1.9, "start": 1.2, "path": "eager"},
    ),
    "breast_cancer": (lambda: tasks.breast_cancer(width=4, depth=1), {"converged": 0.15, "start": 1.6}),
}
COMPARED = ("gain", "gain_over_constant", "no_gain", "worse")


@pytest.fixture(scope="module")
def reports():
    """One report a task, each made once."""
    made = {}

    def report(name):
        if name not in made:
            make, more = TASKS[name]
            made[name] = large_rate(make(), **{**QUICK, **more})
        return made[name]

    return report


@pytest.mark.parametrize("name", TASKS)
def test_the_choice_is_validation_s_and_the_difference_is_the_test_s(reports, name):
    report = reports(name)
    assert report.outcome in COMPARED and report.threshold.low < report.threshold.high
    pool = [c for c in report.candidates if c.eligible]
    assert {c.arm for c in pool} >= {"constant", "decay"}
    for arm, found in report.arms.items():
        same = [c.valid.mean() for c in pool if c.arm == arm]
        assert (found is None and not same) or found.valid.mean() == max(same)
    for found in report.differences:
        values = report.large.test - report.arms[found.against].test
        assert np.allclose([found.mean, found.low, found.high], interval(values)[:3])
    above = [c.rate for c in pool if c.arm in ("finetune", "average")]
    assert all(rate >= report.threshold.high for rate in above)


@pytest.mark.parametrize("name", TASKS)
def test_the_weights_handed_out_have_the_scores_of_the_report(reports, name):
    report = reports(name)
    task = report.asked.task
    found = evaluate_weights(task, report.weights, sets=["valid", "test"], seeds=np.array(report.asked.seeds))
    for part in ("valid", "test"):
        assert np.allclose(found[f"{part}_metric"], getattr(report.recommended, part), atol=1e-6)


def test_every_way_is_the_training_that_it_says(reports):
    report = reports("breast_cancer")
    asked, task = report.asked, report.asked.task
    assert asked.total == 30 and asked.every == 5

    def at(arm, setting=None):
        rate = report.asked.task and min(c.rate for c in report.candidates)
        return next(c for c in report.candidates if (c.arm, c.rate, c.setting) == (arm, rate, setting))

    def weights(found, name="0.weight"):
        record, lanes = found.weights
        return record.parameters[name][lanes]

    rate = at("constant").rate
    plain = sweep(task, lr=[rate], seeds=2, steps=30, snapshots=[20, 25, 30], path="eager")
    decayed = fit(task, lr=rate, seed=1, steps=30, plan=cosine(30))
    name = next(iter(plain.parameters))
    assert np.allclose(weights(at("constant"), name), plain.parameters[name], atol=1e-6)
    assert np.allclose(weights(at("decay"), name)[1], decayed.parameters[name][0], atol=1e-5)
    assert np.allclose(weights(at("average", 3.0), name), plain.average([20, 25, 30]).parameters[name], atol=1e-6)
    begin = {n: v[1] for n, v in plain.snapshots[20]["parameters"].items()}
    tuned = fit(task, lr=0.1, seed=1, steps=10, start=begin)
    assert np.allclose(weights(at("finetune", 0.1), name)[1], tuned.parameters[name][0], atol=1e-5)
    assert at("finetune", 0.1).test[1] == pytest.approx(tuned.final("test_metric")[0], abs=1e-6)


def test_averages_of_a_net_with_batch_norm_measure_its_statistics():
    task = tasks.breast_cancer(width=4, depth=1, batch_norm=True)
    report = large_rate(task, **{**QUICK, "start": 1.0, "rates": (0.5, 2), "finetune_rates": (0.1,)})
    found = next(c for c in report.candidates if c.arm == "average")
    record, lanes = found.weights
    name = next(n for n in record.buffers if n.endswith("running_mean"))
    layer = name.rpartition(".")[0].replace("1", "0")
    weight, bias = (record.parameters[f"{layer}.{kind}"][lanes][0] for kind in ("weight", "bias"))
    hidden = task.train[0].numpy() @ weight.T + bias
    assert np.allclose(record.buffers[name][lanes][0], hidden.mean(axis=0), atol=0.02)


def asked_of(*arguments, **settings):
    """What a call with these arguments asks for."""
    call = inspect.signature(large_rate).bind(*arguments, **settings)
    call.apply_defaults()
    return Asked(**{name: value for name, value in call.arguments.items() if name != "progress"})


def test_averages_stay_where_the_task_allows_weights_to_be():
    task = changed(project=tasks.unit_sphere(3.0))
    asked = asked_of(
        task,
        seeds=2,
        steps=20,
        finetune_rates=[0.1],
        averages=(2, 3),
        rates=(0.5, 2),
        converged=0.3,
        start=1.0,
        precision=0.4,
        path="loop",
    )
    stages = Stages(asked, lambda text: None)
    record = stages.constant([1.0])

    def length(parameters):
        return np.sqrt(sum(np.square(v).reshape(2, -1).sum(axis=1) for v in parameters.values()))

    assert (length(record.average(asked.snapshots(3)).parameters) < 2.999).all()
    for _, weights, scores in stages.averaged(record, np.array([0])):
        assert np.allclose(length(weights.parameters), 3.0)
        assert np.allclose(evaluate_weights(task, weights, sets=["test"])["test_metric"], scores["test"][0], atol=1e-6)


def test_the_ledger_counts_every_training(reports):
    report = reports("own")
    rows = {row["stage"]: row for row in report.ledger}
    rates = len(report.regimes.lr)
    assert rows["threshold"]["trainings"] == 2 * len(report.losses) == report.threshold.trainings
    assert rows["constant"]["trainings"] == rows["decay"]["trainings"] == 2 * rates and rows["average"]["steps"] == 0
    assert (
        rows["constant"]["steps"] == 2 * rates * 30 and rows["finetune"]["steps"] == rows["finetune"]["trainings"] * 10
    )
    assert rows["total"]["steps"] == sum(row["steps"] for row in report.ledger[:-1])


def outcome(constant, decay):
    spans = {"constant": constant, "decay": decay}
    return outcome_of([Difference(name, np.zeros(2), np.mean(span), *span) for name, span in spans.items() if span])


@pytest.mark.parametrize(
    "constant, decay, said",
    [
        ((0.1, 0.3), (0.1, 0.2), "gain"),
        ((0.1, 0.3), (-0.1, 0.2), "gain_over_constant"),
        ((0.1, 0.3), (-0.2, -0.1), "gain_over_constant"),
        ((0.0, 0.3), (0.1, 0.2), "no_gain"),
        ((-0.1, 0.3), (-0.1, 0.2), "no_gain"),
        ((-0.1, 0.3), (-0.3, -0.2), "worse"),
        ((-0.2, -0.1), (0.1, 0.2), "worse"),
        (None, (0.1, 0.2), "no_gain"),
        (None, (-0.2, -0.1), "worse"),
        ((0.1, 0.3), None, "gain_over_constant"),
    ],
)
def test_the_intervals_decide_the_outcome(constant, decay, said):
    assert outcome(constant, decay) == said


def test_a_score_that_is_best_low_turns_the_difference_and_the_choice():
    better = difference("decay", np.array([0.1, 0.2, 0.15]), np.array([0.5, 0.5, 0.6]), lowest=True)
    assert better.verdict == "better" and better.wins == 3 and np.isclose(better.mean, 23 / 60)
    found = [recipe.Candidate("decay", lr, None, True, np.array([v]), np.zeros(1)) for lr, v in ((1, 0.3), (2, 0.2))]
    assert best(found, ("decay",), True).rate == 2 and best(found, ("decay",), False).rate == 1
    assert best(found, ("average",), True) is None


def squares(output, y):
    return (output.squeeze(-1).tanh() - y).square().mean()


@pytest.mark.parametrize("name", ["mse", "Accuracy", "error"])
def test_of_an_unknown_metric_it_must_be_said_which_end_is_best(name):
    said, task = [], changed(metric=squares, metric_name=name)
    with pytest.raises(
        ValueError, match=f"lowest must say which end of the metric '{name}' of task .*lowest=True .*got"
    ):
        large_rate(task, **QUICK, progress=said.append)
    assert not said
    for lowest in (True, False, np.True_):
        report = large_rate(task, **{**QUICK, "steps": 3, "converged": 1e-9}, lowest=lowest)
        assert report.asked.lowest is bool(lowest)
    assert large_rate(task, **{**QUICK, "steps": 3, "converged": 1e-9}, by="loss").asked.lowest


@pytest.mark.parametrize(
    "fields, lowest",
    [
        ({}, False),
        ({"metric": squares, "metric_name": "accuracy"}, False),
        ({"metric": tasks.binary_loss, "metric_name": "log-loss"}, True),
        ({"metric": tasks.binary_loss}, True),  # by its name, the default one, it would be best high
        ({"loss": partial(huber, 1.0), "metric": partial(huber, 2.0)}, True),
        ({"metric": nn.BCEWithLogitsLoss(), "model": lambda: nn.Sequential(nn.Linear(5, 1), nn.Flatten(0))}, True),
        ({"metric": nn.functional.mse_loss, "model": lambda: nn.Sequential(nn.Linear(5, 1), nn.Flatten(0))}, True),
    ],
)
def test_a_loss_as_metric_is_best_low_and_an_accuracy_best_high(fields, lowest):
    report = large_rate(changed(**fields), **{**QUICK, "steps": 3, "converged": 1e-9})
    assert report.asked.lowest is lowest and report.asked.percent is not lowest


def test_with_the_loss_as_metric_the_lowest_error_is_recommended():
    report = large_rate(changed(metric=tasks.binary_loss), **QUICK)
    by_loss = large_rate(own["make_task"](), **QUICK, by="loss")
    assert report.recommended.valid.tolist() == by_loss.recommended.valid.tolist()
    for arm, found in report.arms.items():
        pool = [c.mean("valid") for c in report.candidates if c.arm == arm and c.eligible]
        assert (found is None and not pool) or found.mean("valid") == min(pool)


def test_without_a_run_that_gets_through_above_the_threshold_nothing_is_gained(reports):
    report = large_rate(own["make_task"](), **{**QUICK, "rates": (0.5, 1e6), "diverged_at": 1.5})
    assert report.outcome == "no_gain" and report.large is None and report.recommended.arm in ("constant", "decay")
    assert "got all seeds through" in report.table() and report.table("ja").startswith("利得はありません")


class Choosy(nn.Linear):
    """What vmap cannot run: a forward pass that looks at its numbers."""

    def forward(self, x):
        output = super().forward(x)
        return output if float(output.detach().sum()) < 1e9 else 2 * output


def changed(**fields):
    task = own["make_task"]()
    for name, value in fields.items():
        setattr(task, name, value)
    return task


def test_a_network_that_vmap_cannot_run_takes_the_loop():
    report = large_rate(
        changed(model=lambda: Choosy(5, 1)),
        seeds=2,
        steps=20,
        converged=0.4,
        averages=(2,),
        precision=2,
        rates=(0.5, 2),
        finetune_rates=(0.1,),
        start=1.0,
    )
    assert report.outcome in COMPARED
    assert all("vmap cannot run" in c.weights[0].path_reason for c in report.candidates if c.arm != "average")


@pytest.mark.parametrize(
    "task, more, said, word",
    [
        (own["make_task"](), {"converged": 1e-9}, "nothing_converges", "More steps"),
        (changed(loss=lambda o, y: o.sum() * float("nan")), {}, "everything_diverges", "every run diverged"),
        (
            changed(loss=lambda o, y: (o.squeeze(-1).tanh() - y).square().mean()),
            {"converged": 9, "diverged_at": 1e9},
            "everything_converges",
            "Nothing to compare",
        ),
    ],
)
def test_without_a_threshold_the_report_says_so(task, more, said, word, tmp_path):
    report = large_rate(task, **{**QUICK, "steps": 3, **more})
    assert report.outcome == said and report.weights is None and word in report.table()
    assert report.save_weights(tmp_path / "w.npz") is None
    data = json.loads(report.to_json(tmp_path / "r.json").read_text(encoding="utf-8"))
    assert data["outcome"] == said and data["recommended"] is None and data["candidates"] == []
    assert "<table>" in report.to_html(tmp_path / "r.html", language="ja").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"task": changed(valid=None)}, ValueError, "no validation set"),
        ({"task": changed(test=None)}, ValueError, "no test set"),
        ({"task": 3}, TypeError, "task must be"),
        ({"rule": "sdg"}, ValueError, "sdg"),
        ({"rule": len}, ValueError, "rule must be a rule or its name in a sweep; got <built-in"),
        ({"folder": 3}, TypeError, "folder must be a path, as a str or an os.PathLike; got 3"),
        ({"seeds": 1}, ValueError, "seeds must be at least 2"),
        ({"seeds": [4]}, ValueError, "seeds must be at least 2"),
        ({"steps": 0}, ValueError, "steps"),
        ({"finetune_steps": 1.5}, TypeError, "finetune_steps"),
        ({"finetune_rates": [0.1, -1]}, ValueError, "finetune_rates"),
        ({"averages": [1, 2]}, ValueError, "averages"),
        ({"averages": []}, ValueError, "averages"),
        ({"averages": [40]}, ValueError, "averages.* 30"),
        ({"rates": [0.5, 0.9]}, ValueError, "some below 1 and some above"),
        ({"by": "speed"}, ValueError, "by must be"),
        ({"lowest": "yes"}, TypeError, "lowest"),
        ({"lowest": 0}, TypeError, "lowest"),
        ({"by": "loss", "lowest": False}, ValueError, "lowest must be True or None for loss"),
        ({"jobs": 0}, ValueError, "jobs"),
        (
            {"plan": cosine(9)},
            TypeError,
            "^plan: the recipe sets it itself; leave it out$",
        ),
        ({"stop": Stalling()}, TypeError, "^unknown option 'stop' .it is of a single run: lrlib.fit takes it"),
        ({"momentum": 0.9}, TypeError, "momentum"),
        ({"path": "fast"}, ValueError, "path"),
        ({"progress": 3}, TypeError, "progress"),
    ],
)
def test_wrong_arguments_are_named_before_anything_runs(change, error, message):
    said = []
    arguments = {"task": own["make_task"](), "progress": said.append, **QUICK, **change}
    with pytest.raises(error, match=message):
        large_rate(**arguments)
    assert not said


def settings_of_runs():
    """Arguments of `fit` and `sweep` by name that are neither arguments of `large_rate` nor handed on by it."""
    names = {name for run in (fit, sweep) for name in inspect.signature(run).parameters}
    return sorted(names - set(inspect.signature(large_rate).parameters) - {"path", "dtype", "diverged_at", "hyper"})


@pytest.mark.parametrize("name", settings_of_runs())
@pytest.mark.parametrize("value", [None, 5])
def test_a_setting_that_is_not_the_caller_s_is_refused_whatever_its_value(name, value):
    said = []
    sentence = (
        f"^({name}: the recipe sets it itself; leave it out$|unknown option '{name}' .*lrlib.(fit|sweep) takes it)"
    )
    with pytest.raises(TypeError, match=sentence):
        large_rate(own["make_task"](), **QUICK, progress=said.append, **{name: value})
    assert not said


def test_what_is_asked_is_checked_once_and_stays():
    asked = asked_of(
        own["make_task"](), seeds=3, folder="kept", averages=[3, 2, 3], rates=(2, 0.5), momentum=0.5, rule="momentum"
    )
    assert (asked.seeds, asked.steps, asked.finetune_steps, asked.averages) == ([0, 1, 2], 40, 20, [2, 3])
    assert asked.lr == [[0.5], [2.0]] and asked.where == {"jobs": 1, "folder": Path("kept")}
    assert asked.settings == {"device": "cpu", "momentum": 0.5}
    with pytest.raises(dataclasses.FrozenInstanceError):
        asked.steps = 3


def test_parts_under_joblib_give_the_same_report(reports):
    joblib = pytest.importorskip("joblib")
    with joblib.parallel_config(backend="threading"):
        shared = large_rate(own["make_task"](), **QUICK, jobs=2)
    whole = reports("own").to_dict(seconds=False)
    assert shared.outcome == whole["outcome"]
    for ours, theirs in zip(shared.to_dict()["candidates"], whole["candidates"], strict=True):
        assert np.allclose(np.array(ours["test"], float), np.array(theirs["test"], float), atol=1e-6, equal_nan=True)


def test_a_killed_call_goes_on_and_ends_as_the_uninterrupted_one(tmp_path):
    pytest.importorskip("joblib")
    (tmp_path / "mine.py").write_text(MODULE, encoding="utf-8")
    command = [
        "large-rate",
        f"{tmp_path / 'mine.py'}:make_task",
        "--seeds",
        "2",
        "--steps",
        "20",
        "--converged",
        "0.3",
        "--averages",
        "2,3",
        "--finetune-rates",
        "0.1",
        "--rates",
        "0.5,1.5",
        "--path",
        "loop",
        "--start",
        "4",
        "--folder",
    ]
    run = subprocess.Popen([sys.executable, "-m", "lrlib", *command, str(tmp_path / "killed")], env=dict(os.environ))
    deadline = time.monotonic() + 120
    while (
        len(list((tmp_path / "killed").glob("part-*.npz"))) < 4 and run.poll() is None and time.monotonic() < deadline
    ):
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    assert run.wait() != 0, "it was over before it could be killed"
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "killed").glob("part-*.npz")}
    settings = {**QUICK, "rates": (0.5, 1.5), "precision": 0.05, "finetune_rates": (0.1,)}
    resumed, whole = (
        large_rate(own["make_task"](), **settings, folder=tmp_path / name) for name in ("killed", "whole")
    )
    assert len(before) >= 4 and all(path.stat().st_mtime_ns == at for path, at in before.items())
    assert resumed == whole and resumed.outcome in COMPARED
    stored = np.load(tmp_path / "killed" / "weights.npz")
    assert all(np.array_equal(stored[name], value) for name, value in whole.weights.items())


def test_weights_that_are_there_already_are_not_lost(reports, tmp_path):
    report, path = reports("own"), tmp_path / "weights.npz"
    path.write_bytes(b"of another call")
    for _ in range(2):  # the second time they are the same
        assert report.save_weights(path) == path
    assert sorted(file.name for file in tmp_path.iterdir()) == ["weights-1.npz", "weights.npz"]
    assert (tmp_path / "weights-1.npz").read_bytes() == b"of another call"
    with np.load(path) as stored:
        assert all(np.array_equal(stored[name], value) for name, value in report.weights.items())
    path.write_bytes(b"of a third one")
    report.save_weights(path)
    assert (tmp_path / "weights-2.npz").read_bytes() == b"of a third one"


class Page(html.parser.HTMLParser):
    """Tags that are open, and everything that could fetch something."""

    def __init__(self):
        super().__init__()
        self.open, self.fetched, self.seen, self.lang = [], [], [], None

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.fetched += [attributes[name] for name in ("src", "href", "xlink:href", "data") if name in attributes]
        self.lang = attributes.get("lang", self.lang)
        self.seen.append(tag)
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_page_needs_nothing_else(reports, language, tmp_path):
    report = reports("own")
    text = report.to_html(tmp_path / "page.html", language=language).read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert not page.open and not page.fetched and page.lang == language and "script" not in page.seen
    assert not re.search(r"https?:|@import|url\(", text) and "prefers-color-scheme: dark" in text
    assert "own &lt;task&gt;" in text and "own <task>" not in text and report.headline(language) in text
    plain = re.sub(r"<style>.*?</style>", "", text, flags=re.S)
    assert page.seen.count("svg") >= 4 and "nan" not in text and "{" not in plain
    assert bool(re.search(r"[\u3040-\u30ff]", text)) == (language == "ja")


def test_the_words_are_there_in_both_languages():
    assert WORDS["en"].keys() == WORDS["ja"].keys()
    for name, text in WORDS["en"].items():
        other = WORDS["ja"][name]
        if isinstance(text, str):
            fields = [{field for _, field, _, _ in string.Formatter().parse(t) if field} for t in (text, other)]
            assert fields[0] == fields[1], name
        else:
            assert len(text) == len(other), name
    with pytest.raises(ValueError, match='language must be "en" or "ja"'):
        of("fr")


def test_the_data_is_all_there_and_equality_leaves_out_the_seconds(reports, tmp_path):
    report = reports("own")
    data = json.loads(report.to_json(tmp_path / "report.json").read_text(encoding="utf-8"))
    assert data["candidates"][data["recommended"]]["test"] == report.recommended.test.tolist()
    assert data["threshold"]["grid_trainings"] == report.threshold.grid_trainings and data["total_steps"] == 30
    again = large_rate(own["make_task"](), **QUICK)
    assert again == report and again != reports("breast_cancer")
    again.recommended.weights[0].parameters[next(iter(report.weights))] += 1
    assert again != report


def test_the_command_line_writes_the_page_and_says_what_it_cannot_do(tmp_path, capsys):
    (tmp_path / "mine.py").write_text(MODULE, encoding="utf-8")
    words = ["--seeds", "2", "--steps", "20", "--averages", "2", "--path", "loop", "--start", "4", "--rates", "0.5,2"]
    task, page = f"{tmp_path / 'mine.py'}:make_task", tmp_path / "page.html"
    assert (
        main(["large-rate", task, *words, "--converged", "0.3", "--html", str(page), "--language", "ja", "--json"]) == 0
    )
    assert json.loads(capsys.readouterr().out)["outcome"] in COMPARED and 'lang="ja"' in page.read_text(
        encoding="utf-8"
    )
    assert main(["large-rate", task, *words, "--converged", "1e-9"]) == 1
    assert capsys.readouterr().out.startswith("No threshold: no rate reached")
    assert main(["large-rate", task.replace("make_task", "without_valid"), *words]) == 2
    assert "has no validation set" in capsys.readouterr().err
    assert main(["large-rate", task, *words, "--html", str(tmp_path / "page.txt")]) == 2
    assert "must end in .html" in capsys.readouterr().err


def test_seconds_are_left_out_by_true_or_false(reports):
    for wrong in ("False", 0, None):
        with pytest.raises(TypeError, match="^seconds must be True or False"):
            reports("breast_cancer").to_dict(seconds=wrong)
