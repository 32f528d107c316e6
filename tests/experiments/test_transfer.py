"""The transfer that E64 and E66 share: what is shifted, and what a rate beside the best one loses."""

import importlib

import numpy as np
import pytest
import torch

SIZE = dict(train=50, few=50, held=50, width=8, batch=10)


def test_the_shifted_task_has_other_signals_and_three_other_names():
    transfer = importlib.import_module("transfer")
    source, target = transfer.source(SIZE), transfer.target(SIZE)
    assert not (target.train_for(3)[0][:, None] == source.train_for(3)[0]).all(-1).any()
    y = torch.arange(10)
    assert sorted(transfer.NAMES.tolist()) == y.tolist() and int((transfer.NAMES != y).sum()) == 3
    old = source.test[1].bincount(minlength=10)
    assert torch.equal(target.test[1].bincount(minlength=10), old), "every class as often as before"


def test_a_rate_beside_the_best_one_is_found_by_its_distance():
    transfer = importlib.import_module("transfer")
    rates, test = np.array([0.01, 0.03, 0.1, 0.3]), np.array([[0.1], [0.5], [0.8], [0.2]])
    assert transfer.beside(rates, test, 2, -0.5)[0] == pytest.approx(0.3)
    assert transfer.beside(rates, test, 2, -1)[0] == pytest.approx(0.7)
    assert transfer.beside(rates, test, 2, 5)[0] == pytest.approx(0.6)


def test_the_rate_of_adapting_is_chosen_for_each_first_rate_on_validation_data():
    e66 = importlib.import_module("e66_decay_then_adapt")
    after = {"valid": np.array([[[0.1], [0.9]], [[0.7], [0.2]]]), "test": np.array([[[0.3], [0.4]], [[0.5], [0.6]]])}
    arm = e66.Arm({}, after)
    assert arm.fine().tolist() == [1, 0]
    np.testing.assert_array_equal(arm.adapted(), [[0.5], [0.4]])


def test_divergence_counts_as_chance():
    transfer = importlib.import_module("transfer")

    class Record:
        @staticmethod
        def final(name):
            return np.array([0.5, np.nan])

    np.testing.assert_array_equal(transfer.scores(Record(), (2, 1))["test"], [[0.5], [transfer.CHANCE]])
