"""An experiment: its quick and its full run, its result file, and its command line.

A script in `book/experiments` defines `ID`, `QUESTION`, `run(mode) -> {name: Quantity}` and
`expect(quantities)` (asserts orderings and bands) and ends with

    EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__)

    if __name__ == "__main__":
        EXPERIMENT.main()

`python e03_rate_sweep.py` runs the quick mode, asserts `expect`, and compares
with the stored quick values; `--full` runs both modes and writes
`book/results/e03_rate_sweep.json`; `--store-quick` rewrites only the quick part;
`--confirm` notes the code as it is now where the quick run gives the stored digits.

`--seeds-from N` counts all seeds from another origin: data, weights, orders and noise are others. Such a result does not
belong into `book/results`; `--folder PATH` names where it goes. What is finished is kept there, whole runs and each of
their sweeps, so that a run that was broken off goes on, as long as code, seeds and settings are the same.
"""

import json
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from lrlib import one_thread, streams

from . import pieces, results
from .codehash import code_hash
from .command import parsed
from .quantity import entries, table
from .result_file import check_free, differences, machine, moved, quick_part, save, versions


@dataclass(frozen=True)
class Experiment:
    """An experiment: its id, its question, how it runs and what must come out.

    `run(mode)` returns `{name: Quantity}` for mode "quick", "full" or "single" (the full protocol with one seed);
    `expect(quantities)` asserts. `file` is the script's `__file__`, `seeds` the list of the full mode, for the record.
    `timed` names the quantities that hang on the clock, `family` the numbers of the experiments that share what is
    trained, and so the origin of the seeds that judge; by itself an experiment is its family. `round` counts up when
    the experiment is changed after a result of it has been seen, so that its next one has seeds that nobody has seen.
    """

    id: str
    question: str
    run: object
    expect: object
    file: str
    seeds: list = field(default_factory=list)
    device: str = "cpu"
    timed: tuple = ()
    family: tuple = ()
    round: int = 1

    @property
    def number(self):
        """The experiment's number, `"E03"`."""
        return results.experiment_number(self.id)

    @property
    def path(self):
        """The result file."""
        return results.FOLDER / f"{self.id}.json"

    @property
    def code(self):
        """Hash of the script and of what it imports of `lrlib`."""
        return code_hash(self.file)

    def outcome(self, mode, folder=None, begin=0):
        """The `Outcome` of a run whose seeds are counted from `begin`; with a folder, in pieces that are kept there.

        Raises `RuntimeError` where the code changed while it ran.
        """
        key = self.key(mode, begin)
        if folder is None:
            return self._outcome(key, pieces.Run())
        own = pieces.folder_of(folder, self.id, key)
        run = pieces.Run(own)
        return pieces.kept(
            own / "outcome.json", lambda: self._outcome(key, run), pieces.Outcome.save, pieces.Outcome.load
        )

    def key(self, mode, begin=0):
        """Everything that decides the numbers of a run."""
        return {"id": self.id, "mode": mode, "seeds_from": begin, "versions": versions(), "code": self.code}

    def _outcome(self, key, run):
        mode, begin = key["mode"], key["seeds_from"]
        with streams.seeds_from(begin), pieces.going_on(run):
            quantities = self.run(mode)
        if self.key(mode, begin) != key:
            raise RuntimeError(f"{self.id}: the code changed while it ran; run it again")
        return pieces.Outcome(quantities, run.first_losses, run.seconds)

    def quick(self):
        """Run the quick mode on one thread, assert `expect`, and return the quantities."""
        with one_thread():
            quantities = self.run("quick")
        self.expect(quantities)
        return quantities

    def full(self):
        """Run both modes and write the result file; returns the full quantities."""
        quick, start = self.quick(), time.perf_counter()
        quantities = self.run("full")
        save(self.path, self.document(quantities, time.perf_counter() - start, quick=quick))
        return quantities

    def elsewhere(self, mode, folder, begin=0):
        """Run a mode in pieces, seeds counted from `begin`, and write the result file into a folder; the quantities.

        Raises `ValueError` where the folder holds the result of another mode or of other seeds.
        """
        path = Path(folder) / f"{self.id}.json"
        check_free(path, mode, begin)
        found = self.outcome(mode, folder, begin)
        quick = self.outcome("quick", folder).quantities if mode == "full" and not begin else None
        save(path, self.document(found.quantities, found.seconds, mode, quick, begin))
        return found.quantities

    def document(self, quantities, seconds, mode="full", quick=None, begin=0):
        """What the result file holds, as JSON."""
        n = max((q.values.shape[-1] for q in quantities.values() if q.values is not None), default=0)
        document = {"schema": results.SCHEMA_VERSION, "id": self.id, "question": self.question, "mode": mode}
        document |= {"seeds": list(self.seeds) or list(range(n))} | ({"seeds_from": begin} if begin else {})
        document |= {"quantities": entries(quantities)}
        document |= {} if quick is None else {"quick": quick_part(quick, self.code)}
        document |= {"versions": versions(), "machine": machine(), "device": self.device}
        return document | {"seconds": float(f"{seconds:.3g}"), "code": self.code}

    def store_quick(self, quantities):
        """Replace the quick part of the result file by these quantities."""
        document = json.loads(self.path.read_text(encoding="utf-8"))
        document["quick"] = quick_part(quantities, self.code)
        save(self.path, document)

    def confirm(self, quantities):
        """Note in the result file that the code as it is now gives the stored quick digits, every one of them.

        So a change that moves no number does not ask for the full run again. `code` stays the hash of the code
        that measured. Raises `ValueError` naming the quantities that came out otherwise.
        """
        document = json.loads(self.path.read_text(encoding="utf-8"))
        names = moved(document["quick"]["quantities"], json.loads(json.dumps(entries(quantities))))
        if names:
            raise ValueError(f"{self.id}: the quick run gives other digits for {', '.join(names)}; run --full")
        self.note_confirmed()

    def note_confirmed(self):
        """Note in the result file that the code as it is now gives the numbers of the code that measured."""
        document = json.loads(self.path.read_text(encoding="utf-8"))
        save(self.path, document | {"confirmed": self.code})

    def differences(self, quantities):
        """Sentences about what a quick run gives otherwise than the stored one (`result_file.differences`)."""
        return differences(json.loads(self.path.read_text(encoding="utf-8")), quantities, self.timed)

    def unmet(self, quantities):
        """Sentences about what `expect` asserts and other seeds do not show."""
        try:
            self.expect(quantities)
        except AssertionError as error:
            return [f"not with these seeds: {error or traceback.extract_tb(error.__traceback__)[-1].line}"]
        return []

    def main(self, argv=None):
        """The command line, as the module describes it. Returns the exit status."""
        options, start = parsed(self.question, argv), time.perf_counter()
        mode, begin = "full" if options.full else "quick", options.seeds_from
        if options.folder:
            quantities = self.elsewhere(mode, options.folder, begin)
        elif begin:
            quantities = self.outcome(mode, begin=begin).quantities
        else:
            quantities = self.full() if options.full else self.quick()
        print(table(quantities))
        print(f"{self.id}: {time.perf_counter() - start:.1f} s")
        if options.store_quick:
            self.store_quick(quantities)
        if options.confirm:
            self.confirm(quantities)
        problems = self._problems(mode, begin, quantities)
        print("\n".join(problems), end="\n" if problems else "")
        status = 1 if problems else 0
        return status if argv is not None else sys.exit(status)

    def _problems(self, mode, begin, quantities):
        if begin:
            return self.unmet(quantities)
        return self.differences(quantities) if mode == "quick" and self.path.exists() else []
