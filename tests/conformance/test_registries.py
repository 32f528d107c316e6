"""Every schedule and every rule is compared with an independent implementation, or says why it is not."""

import json
from pathlib import Path

import oracles
import pytest
from schedule_peers import CASES
from table import NO_PEER

from lrlib import rules
from lrlib.plans import named

ROOT = Path(__file__).resolve().parents[2]
OURS = {
    "schedule": [name for name, builder in named._BUILDERS.items() if builder.__module__.startswith("lrlib.")],
    "optimizer": [name for name, rule in rules.RULES.items() if rule.update.__module__.startswith("lrlib.")],
}
COMPARED = {"schedule": {case.row for case in CASES}, "optimizer": set(oracles.PEERS)}
WHERE = {
    "schedule": "a @case to tests/conformance/schedule_peers.py",
    "optimizer": "peers to PEERS of tests/conformance/oracles.py",
}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in OURS for name in OURS[kind]])
def test_a_method_has_a_peer_or_a_reason(kind, name):
    compared = name in COMPARED[kind]
    reason = NO_PEER.get((kind, name))
    assert compared or reason, f"add {WHERE[kind]} for {name}, or why it has none to NO_PEER of table.py"
    assert not (compared and reason), f"{name} has a peer: remove it from NO_PEER of tests/conformance/table.py"


def test_reasons_are_of_methods_that_exist():
    assert not [(kind, name) for kind, name in NO_PEER if name not in OURS[kind]], "remove these from NO_PEER"


def test_what_is_compared_stands_in_the_readmes_table():
    stored = json.loads((ROOT / "tests/benchmarks/results/conformance.json").read_text(encoding="utf-8"))
    shown = {(kind, name) for kind, name, _ in stored["rows"]}
    lacking = sorted((kind, name) for kind in COMPARED for name in COMPARED[kind] if (kind, name) not in shown)
    assert not lacking, f"run `python3 run.py tables --measure conformance`; it has no row for {lacking}"
