"""The regime explorer: real runs end in the right regimes, stage by stage; a result of E34 becomes a recording."""

import json
import math

import numpy as np
import pytest

from lrbook import recorded
from lrlib import interval
from lrwidgets import RegimeExplorer, regime_explorer

ARMS = ("pretrain_accuracy", "average_accuracy", "feature_accuracy", "feature_averaged", "pretrain_loss", "tail_loss")
TUNED = ("finetune_best", "finetune_worst", "feature_finetuned", "barrier")


def test_real_runs_end_in_the_right_regimes_stage_by_stage():
    figure, stages = RegimeExplorer(low=2e-3, high=0.3, lanes=8, steps=240), []
    figure.observe(lambda change: change["new"] and stages.append(sorted(change["new"])), "found")
    assert figure.run().wait(200) and figure.status == "done", figure.error
    found, losses = figure.found, figure.losses()
    assert len(stages) == 2 and set(TUNED) & set(stages[0]) == set() and set(TUNED) <= set(stages[1])
    assert all(len(found[name]) == len(figure.rates) == 8 for name in (*ARMS, *TUNED))
    assert found["regime"][-1] == "3" and found["regime"] == sorted(found["regime"]) and found["regime"][0] != "3"
    assert found["pretrain_accuracy"][0] > 0.6 > found["pretrain_accuracy"][-1]
    assert all(best >= worst for best, worst in zip(found["finetune_best"], found["finetune_worst"]))
    assert len(losses) == 8 and losses[-1] > losses[0] and figure.share == 1.0 and figure.stage == "finetune"
    assert json.loads(json.dumps(found, allow_nan=False)) == found, "the page can read it"
    figure.reset()
    assert figure.found == {} and math.isnan(figure.losses()[0])


def test_a_run_can_be_stopped_and_rates_must_rise(page, until):
    figure = RegimeExplorer(lanes=8, steps=40_000)
    page(figure).do("run")
    until(lambda: figure.share > 0, 120)
    page(figure).do("stop")
    until(lambda: figure.status == "stopped", 30)
    wrong = RegimeExplorer(low=1.0, high=0.1)
    page(wrong).do("run")
    assert "low = 1" in wrong.error and wrong.status == "idle"
    with pytest.raises(ValueError, match="lanes"):
        wrong.lanes = 7


def test_the_borders_of_a_recording_agree_with_its_regimes():
    file = recorded.read("regime_explorer")
    found, rates = file["found"], file["rates"]
    assert len(file["loss"]) == len(file["at"]) and all(len(row) == len(rates) for row in file["loss"])
    assert all(len(found[name]) == len(rates) for name in (*ARMS, *TUNED, "regime"))
    assert {"1", "3"} <= set(found["regime"]) and found["regime"] == sorted(found["regime"])
    assert found["pretrain_loss"][found["regime"].index("3")] > 0.1 > min(found["pretrain_loss"])
    assert file["made"]["steps"] >= file["at"][-1] and file["made"]["pairs"] >= 1
    assert (recorded.FOLDER / "regime_explorer.js").stat().st_size <= recorded.LIMIT


def quantity(values, **axes):
    mean, low, high, _ = interval(np.asarray(values))
    return {"axes": axes} | {name: end.tolist() for name, end in (("mean", mean), ("low", low), ("high", high))}


def test_a_result_of_e34_becomes_a_recording(tmp_path):
    lr, tuned = [0.001, 0.01], np.array([[[0.7, 0.72], [0.74, 0.76]], [[0.8, 0.8], [0.6, 0.7]]])
    one = {
        name: quantity([[0.1, 0.3], [0.5, 0.7]], lr=lr)
        for name in (
            "pretrain_loss",
            "pretrain_loss_last_tenth",
            "pretrain_accuracy",
            "feature_accuracy",
            "feature_accuracy_finetuned",
            "feature_accuracy_averaged",
            "barrier",
        )
    }
    q = one | {
        "finetune_accuracy": quantity(tuned, lr=lr, finetune_lr=[1e-4, 1e-3]),
        "swa_accuracy": quantity(tuned, lr=lr, checkpoints=[2, 50]),
        "loss_curve": {"axes": {"lr": lr, "step": [50, 150]}, "mean": [[0.5, 0.25], [2.0, None]]},
        "regime_share": {
            "axes": {"regime": ["1", "2A", "2B", "3"], "lr": lr},
            "mean": [[1.0, 0.0], [0.0, 0.5], [0.0, 0.5], [0.0, 0.0]],
        },
        **{name: {"axes": {}, "mean": 0.003} for name in ("threshold", "split", "divergence")},
    }
    (tmp_path / "e34.json").write_text(
        json.dumps({"id": "e34_ticks", "code": "abc", "seeds": [0, 1], "quantities": q}), encoding="utf-8"
    )
    file = recorded.regimes_of(tmp_path / "e34.json")
    found = file["found"]
    assert file["made"]["steps"] == 200 and file["made"]["pairs"] == 2 and file["loss"] == [[0.5, 2.0], [0.25, None]]
    assert (found["finetune_best"], found["finetune_worst"]) == ([0.75, 0.8], [0.71, 0.65])
    assert found["average_accuracy"] == [0.75, 0.65] and found["regime"] == ["1", "2A"] and found["shares"] == [2, 1]
    low, high = found["bands"]["pretrain_accuracy"]
    assert low[0] < 0.2 < high[0] and found["borders"]["threshold"] == 0.003


def test_the_strongest_feature_is_one_that_was_learned():
    from lrlib import sweep, tasks

    task = tasks.ticks(features=3, train=256, test=100)
    record = sweep(task, lr=[1e-6, 3e-3], steps=300, path="eager")
    untrained, trained = regime_explorer._strongest(task, record)
    assert trained > untrained + 0.05
