"""Jobs, storms, steering and snapshots of the two labs, through the real message path."""

import contextvars
import gc
import math
import threading
import time

import ipywidgets
import numpy as np
import pytest
import traitlets

from lrwidgets import SweepLab, TrainingLab, base
from lrwidgets.job import FINAL, STATUSES, Job, job_threads
from lrwidgets.runs import OPTIMIZERS, SCHEDULES, plan


class Event:
    def __init__(self, step, loss=1.0, lr=0.1):
        self.step, self.loss, self.lr = step, loss, [lr]


def counting(steps, pause=0.0, fail_at=None, closed=None):
    """A run without torch: counts its steps, takes changes as lrlib does, may fail."""

    def make():
        lr = 0.1
        try:
            for step in range(steps):
                if step == fail_at:
                    raise RuntimeError(f"no such loss at step {step}")
                time.sleep(pause)
                change = yield Event(step, 1 / (step + 1), lr)
                while change is not None:
                    lr = change.get("lr", lr)
                    change = yield
        finally:
            if closed is not None:
                closed.append(threading.current_thread().name)

    return make


class Quick(TrainingLab):
    """A training lab whose job needs no torch."""

    plan = counting(50)

    def job(self):
        return type(self).plan


@pytest.fixture
def quick():
    def make(plan, **controls):
        return type("Quick", (Quick,), {"plan": staticmethod(plan)})(**controls)

    return make


def test_a_run_streams_all_its_rows_and_stores_them_once(quick, page, until):
    lab = quick(counting(500))
    page(lab).do("hello")
    page(lab).do("run")
    until(lambda: lab.status == "done")
    rows, expected = [], 0
    for content, buffers in page(lab).heard():
        if content["is"] == "rows":
            assert content["first"] == expected
            rows.append(np.frombuffer(buffers[0], np.float32).reshape(-1, 3))
            expected += len(rows[-1])
    assert expected == 500 == lab.step
    assert np.concatenate(rows)[:, 0].tolist() == list(range(500)) == lab.history()["step"]
    assert bytes(lab.get_state()["snapshot"]) == np.concatenate(rows).tobytes()
    assert page(lab).states("status") == ["loading", "loading", "running", "done"] or page(lab).states("status") == [
        "loading",
        "running",
        "done",
    ]


def test_updates_are_at_most_fifteen_a_second(quick, page):
    lab = quick(counting(600, pause=0.001))
    began = time.monotonic()
    lab.run().wait(30)
    seconds = time.monotonic() - began
    sent = [c for c, _ in page(lab).heard() if c["is"] == "rows"]
    assert len(sent) <= 15 * seconds + 2


def test_rate_changes_in_mid_run_by_page_and_by_python(quick, page, until):
    lab = quick(counting(100_000, pause=0.0005))
    lab.run()
    until(lambda: lab.step > 5)
    page(lab).set(lr=0.02)
    until(lambda: lab.history()["lr"][-1:] == [pytest.approx(0.02)])
    lab.lr = 0.3
    until(lambda: lab.history()["lr"][-1:] == [pytest.approx(0.3)])
    assert lab.history()["lr"][0] == pytest.approx(0.1)
    assert lab.history()["step"] == list(range(lab.step)), "no step is lost or doubled by a change"
    lab.stop()
    assert lab.wait(10) and lab.status == "stopped"


def test_a_change_made_in_a_pause_counts_from_the_next_step(quick, page, until):
    lab = quick(counting(100_000, pause=0.001))
    lab.run()
    until(lambda: lab.step > 5)
    page(lab).do("pause")
    until(lambda: lab.status == "paused")
    held = lab.step
    page(lab).set(lr=0.02)
    page(lab).do("resume")
    until(lambda: lab.step > held + 5)
    lab.stop()
    assert lab.wait(10)
    assert lab.history()["lr"][held - 1 : held + 1] == [pytest.approx(0.1), pytest.approx(0.02)]


def test_stop_closes_the_generator_in_its_own_thread(quick, page, until):
    closed = []
    lab = quick(counting(100_000, pause=0.001, closed=closed))
    page(lab).do("run")
    until(lambda: lab.step > 0)
    page(lab).do("stop")
    until(lambda: lab.status == "stopped")
    assert len(closed) == 1 and closed[0].startswith("lrwidgets-job-")


def test_pause_holds_and_resume_goes_on(quick, page, until):
    lab = quick(counting(100_000, pause=0.001))
    page(lab).do("run")
    until(lambda: lab.status == "running")
    page(lab).do("pause")
    until(lambda: lab.status == "paused")
    held = lab.step
    time.sleep(0.1)
    assert lab.step == held
    page(lab).do("resume")
    until(lambda: lab.step > held and lab.status == "running")
    page(lab).do("pause")
    until(lambda: lab.status == "paused")
    page(lab).do("stop")
    until(lambda: lab.status == "stopped")


def test_a_run_has_one_thread_of_torch_and_gives_the_others_back(quick, until):
    import torch

    seen, before = [], torch.get_num_threads()

    def plan():
        seen.append(torch.get_num_threads())
        yield Event(0)
        seen.append(torch.get_num_threads())

    lab = quick(plan)
    torch.set_num_threads(3)
    try:
        lab.run()
        until(lambda: lab.status == "done")
        assert seen == [1, 1] and torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_failure_in_training_is_shown_in_the_widget(quick, until):
    lab = quick(counting(100, fail_at=3))
    lab.run()
    until(lambda: lab.status == "failed")
    assert "no such loss at step 3" in lab.error and lab.step == 3
    type(lab).plan = staticmethod(counting(5))
    lab.run().wait(10)
    assert lab.status == "done" and lab.error == ""


def test_a_failure_in_a_command_is_shown_in_the_widget(page):
    lab = TrainingLab()
    page(lab).do("dance")
    assert "'dance'" in lab.error
    sweep = SweepLab(low=1.0, high=0.5)
    page(sweep).do("run")
    assert "low = 1" in sweep.error and "Traceback" not in sweep.error and sweep.status == "idle"
    with pytest.raises(ValueError, match="low"):
        sweep.run()


def test_one_job_at_a_time_and_a_waiting_one_can_be_stopped(quick, until):
    first, second = (quick(counting(100_000, pause=0.001)) for _ in range(2))
    first.run()
    until(lambda: first.status == "running")
    second.run()
    until(lambda: second.status == "waiting")
    second.stop()
    until(lambda: second.status == "stopped")
    assert second.step == 0 and first.status == "running"
    second.run()
    until(lambda: second.status == "waiting")
    first.stop()
    until(lambda: second.status == "running")


def test_reset_silences_a_run_at_once(quick, page, until):
    lab = quick(counting(100_000, pause=0.0005))
    lab.run()
    until(lambda: lab.step > 3)
    page(lab).do("reset")
    assert (lab.status, lab.step, lab.history()["step"]) == ("idle", 0, [])
    until(lambda: not job_threads())
    assert (lab.status, lab.step) == ("idle", 0)


def test_a_late_page_gets_the_whole_curve(quick, page, until):
    lab = quick(counting(100_000, pause=0.001))
    lab.run()
    until(lambda: lab.step > 20)
    page(lab).do("hello")
    live = [content for content, _ in page(lab).heard() if content["is"] == "live"]
    assert len(live) == 1 and live[0]["rows"] > 0
    page(lab).do("resync")
    [snapshot] = page(lab).snapshots()
    assert len(snapshot) // 12 >= live[0]["rows"]
    lab.stop()
    lab.wait(10)
    assert len(page(lab).snapshots()[-1]) // 12 == lab.step


def test_close_stops_the_run(quick, until):
    lab = quick(counting(100_000, pause=0.001))
    lab.run()
    until(lambda: lab.step > 0)
    lab.close()
    until(lambda: not job_threads())
    lab.close()
    gc.collect()
    assert lab.comm is None and lab.status == "stopped"


def test_running_the_same_cell_again_stops_the_older_widgets_run(quick, until, monkeypatch):
    parent = {"metadata": {"cellId": "a"}, "header": {"msg_id": "1"}}
    import IPython

    monkeypatch.setattr(IPython, "get_ipython", lambda: type("Shell", (), {"get_parent": lambda self: parent})())
    monkeypatch.setattr(base, "_made_by", {})
    old, beside = quick(counting(100_000, pause=0.001)), quick(counting(10))
    old.run()
    until(lambda: old.step > 0)
    beside.run()
    parent["header"] = {"msg_id": "2"}
    new = quick(counting(10))
    until(lambda: old.status == "stopped")
    new.run().wait(10)
    assert new.status == "done"


def test_the_job_runs_in_the_context_of_the_pages_last_command(quick, page, until):
    word = contextvars.ContextVar("word", default="nobody")
    seen = []

    def make():
        seen.append(word.get())
        yield Event(0)

    lab = quick(make)
    context = contextvars.copy_context()
    context.run(word.set, "the page")
    context.run(page(lab).do, "hello")
    lab.run().wait(10)
    assert seen == ["the page"]


def test_a_storm_of_three_threads_loses_no_failure_and_leaves_no_thread(quick, page, dice, until):
    raised = []

    def make():
        for step in range(dice.randrange(1, 60)):
            if dice.random() < 0.02:
                raised.append(step)
                raise RuntimeError("thrown")
            time.sleep(0.0005)
            change = yield Event(step)
            while change is not None:
                change = yield

    lab = quick(make)
    shown = []
    lab.observe(lambda change: "thrown" in change["new"] and shown.append(1), "error")
    problems = []

    def front(seed):
        import random

        own = random.Random(seed)
        try:
            for _ in range(334):
                what = own.random()
                if what < 0.55:
                    page(lab).do(own.choice(["run", "run", "stop", "pause", "resume", "hello", "resync"]))
                elif what < 0.6:
                    page(lab).do("reset")
                elif what < 0.85:
                    page(lab).set(lr=own.choice([0.1, 0.5, 1.0]), momentum=own.random() * 0.9)
                elif what < 0.95:
                    page(lab).set(**own.choice([{"lr": -1}, {"steps": "x"}, {"optimizer": "none"}]))
                else:
                    page(lab).junk(own.choice([None, 3, {}, {"do": "dance"}]))
                time.sleep(own.random() * 0.002)
        except Exception as problem:
            problems.append(problem)

    threads = [threading.Thread(target=front, args=(seed,)) for seed in range(3)]
    [t.start() for t in threads]
    [t.join(60) for t in threads]
    assert problems == []
    lab.stop()
    until(lambda: not job_threads())
    assert lab.status in FINAL | {"idle"} and lab.status in STATUSES
    assert len(shown) <= len(raised)
    type(lab).plan = staticmethod(counting(20))
    page(lab).do("run")
    until(lambda: lab.status == "done")
    assert lab.history()["step"] == list(range(20)) and lab.error == ""


def test_job_refuses_nothing_that_comes_late(until):
    job = Job(counting(3), on_events=lambda events: None, on_status=lambda *a: None, lock=threading.RLock())
    job.stop()
    job.start()
    assert job.wait(5) and job.status == "stopped" and job.steps == 0
    job.pause(), job.resume(), job.stop(), job.send(lr=1)
    assert job.status == "stopped" and not job.alive()


@pytest.mark.parametrize("make", [TrainingLab, SweepLab])
def test_controls_are_scalar_traits_in_both_directions(make, page):
    lab = make()
    heard, wanted = (
        [],
        {"optimizer": "adam", "momentum": 0.5, "steps": 55, "seed": 7, "task": "mnist1d", "device": "cuda"},
    )
    if make is TrainingLab:
        wanted |= {"lr": 0.02, "schedule": "cosine"}
    else:
        wanted |= {"low": 1e-3, "high": 2.0, "lanes": 64, "target": 0.5}
    assert set(wanted) | {"lang"} == set(lab.controls())
    for name, value in wanted.items():
        old = getattr(lab, name)
        lab.observe(lambda change: heard.append((change["name"], change["new"])), name)
        page(lab).set(**{name: value})
        assert getattr(lab, name) == value and heard[-1] == (name, value)
        setattr(lab, name, old)
        assert page(lab).states(name)[-1] == old
        with pytest.raises(ValueError, match=name):
            setattr(lab, name, object())
        assert getattr(lab, name) == old
        if isinstance(value, (int, float)):
            ipywidgets.jslink((ipywidgets.FloatSlider(), "value"), (lab, name))


def test_choices_are_those_of_the_library():
    from lrlib import RULES

    from lrwidgets.sweep_lab import DEFAULTS

    assert set(OPTIMIZERS) <= set(RULES)
    assert {name: RULES[name].defaults["lr"] for name in OPTIMIZERS} == DEFAULTS


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("steps", [10, 101, 400])
def test_schedules_stay_between_zero_and_the_base_rate(schedule, steps):
    p = plan(schedule, steps)
    values = np.ones(steps) if p is None else p(np.arange(steps))
    assert ((values >= 0) & (values <= 1)).all() and values.max() > 0.9
    assert ("warmup" in schedule) == (values[0] < 0.6)


def test_real_training_falls_and_follows_its_plan():
    lab = TrainingLab(lr=0.1, schedule="cosine", steps=60)
    assert lab.run().wait(120) and lab.status == "done", lab.error
    h = lab.history()
    assert len(h["loss"]) == 60 and np.mean(h["loss"][-10:]) < 0.5 * h["loss"][0]
    assert h["lr"] == pytest.approx((0.1 * plan("cosine", 60)(np.arange(60))).tolist(), rel=1e-5, abs=1e-9)


def test_real_training_can_be_steered(until):
    lab = TrainingLab(lr=0.1, steps=20_000)
    lab.run()
    until(lambda: lab.step > 3, 120)
    lab.lr = 0.0123
    until(lambda: lab.history()["lr"][-1] == pytest.approx(0.0123))
    lab.stop()
    assert lab.wait(30) and lab.status == "stopped"


def test_momentum_is_sent_only_to_a_run_that_has_it(until):
    """The menu may already name the optimizer of the next run."""
    lab = TrainingLab(optimizer="sgd", steps=20_000)
    lab.run()
    until(lambda: lab.step > 3, 120)
    lab.optimizer, lab.momentum = "momentum", 0.5
    held = lab.step
    until(lambda: lab.step > held + 20 or lab.status == "failed")
    assert lab.status == "running", lab.error
    lab.stop()
    assert lab.wait(30)


def test_the_default_that_is_marked_belongs_to_the_curve(until):
    lab = SweepLab(optimizer="sgd", steps=20, lanes=32)
    assert lab.run().wait(120) and lab.suggestions
    lab.optimizer, lab.lanes = "adagrad", 40
    assert lab.default_lr == 0.001 and len(lab.rates) == 32, "the picture still shows the run of sgd"
    lab.reset()
    assert lab.default_lr == 0.01 and len(lab.rates) == 40 and not lab.suggestions


def test_a_missing_device_is_named_in_the_widget(until):
    import torch

    if torch.backends.mps.is_available():
        pytest.skip("this machine has the device")
    lab = TrainingLab(device="mps", steps=10)
    lab.run().wait(60)
    assert lab.status == "failed" and "mps" in lab.error and "cpu" in lab.error


def test_real_sweep_fills_the_curve():
    lab = SweepLab(steps=60, lanes=32, target=1.0)
    assert lab.run().wait(200) and lab.status == "done", lab.error
    losses = lab.losses()
    assert len(losses) == len(lab.rates) == 32 and lab.step == 60
    assert lab.low < lab.best <= lab.threshold < lab.high
    assert math.isnan(losses[-1]) or losses[-1] > losses[lab.rates.index(lab.best)]
    assert losses[0] > 3 * losses[lab.rates.index(lab.best)], "the smallest rate has hardly moved"
    assert lab.suggestions and all(1e-6 <= rate <= 10 for rate in lab.suggestions.values())
    lab.target = 1e-3
    assert lab.threshold is None or lab.threshold <= lab.best
    with pytest.raises(traitlets.TraitError):
        lab.lanes = 8
