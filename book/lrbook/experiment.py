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
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass, field

from . import pieces, quantity, results
from .codehash import code_hash
from .quantity import entries, table
from .result_file import compare, machine, moved, save, versions


@dataclass(frozen=True)
class Experiment:
    """An experiment: its id, its question, how it runs and what must come out.

    `run(mode)` returns `{name: Quantity}` for mode "quick", "full" or "single" (the full protocol with one seed);
    `expect(quantities)` asserts. `file` is the script's `__file__`, `seeds` the list of the full mode, for the record.
    `timed` names the quantities that hang on the clock.
    """

    id: str
    question: str
    run: object
    expect: object
    file: str
    seeds: list = field(default_factory=list)
    device: str = "cpu"
    timed: tuple = ()

    @property
    def path(self):
        """The result file."""
        return results.FOLDER / f"{self.id}.json"

    @property
    def code(self):
        """Hash of the script and of what it imports of `lrlib`."""
        return code_hash(self.file)

    def outcome(self, mode, folder=None):
        """The `Outcome` of a run; with a folder, taken from there where the very same run was finished before.

        Raises `RuntimeError` where the code changed while it ran.
        """
        if folder is None:
            return self._outcome(mode, pieces.Run())
        own = pieces.folder_of(folder, self.id, self.key(mode))
        return pieces.kept(
            own / "outcome.json",
            lambda: self._outcome(mode, pieces.Run(own)),
            pieces.Outcome.save,
            pieces.Outcome.load,
        )

    def key(self, mode):
        """Everything that decides the numbers of a run."""
        code = {"code": self.code, "statistics": code_hash(quantity.__file__)}
        return {"id": self.id, "mode": mode, "versions": versions()} | code

    def _outcome(self, mode, run):
        before, start = self.key(mode), time.perf_counter()
        with pieces.going_on(run):
            quantities = self.run(mode)
        if self.key(mode) != before:
            raise RuntimeError(f"{self.id}: the code changed while it ran; run it again")
        return pieces.Outcome(quantities, run.first_losses, time.perf_counter() - start)

    def quick(self):
        """Run the quick mode, assert `expect`, and return the quantities."""
        quantities = self.run("quick")
        self.expect(quantities)
        return quantities

    def full(self):
        """Run both modes and write the result file; returns the full quantities."""
        quick, start = self.quick(), time.perf_counter()
        quantities = self.run("full")
        self.write(quantities, quick, time.perf_counter() - start)
        return quantities

    def write(self, quantities, quick, seconds, mode="full"):
        """Write the result file, checked against the schema and the size limit."""
        n = max((q.values.shape[-1] for q in quantities.values() if q.values is not None), default=0)
        document = {"schema": results.SCHEMA_VERSION, "id": self.id, "question": self.question, "mode": mode}
        document |= {"seeds": list(self.seeds) or list(range(n)), "quantities": entries(quantities)}
        document |= {"quick": {"quantities": entries(quick), "code": self.code}, "versions": versions()}
        document |= {"machine": machine(), "device": self.device, "seconds": float(f"{seconds:.3g}"), "code": self.code}
        save(self.path, document)

    def store_quick(self, quantities):
        """Replace the quick part of the result file by these quantities."""
        document = json.loads(self.path.read_text(encoding="utf-8"))
        document["quick"] = {"quantities": entries(quantities), "code": self.code}
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
        save(self.path, document | {"confirmed": self.code})

    def differences(self, quantities):
        """Sentences about each quick mean outside the band around the stored one."""
        return compare(results.parse(self.path.read_text(encoding="utf-8")).quick, quantities)

    def main(self, argv=None):
        """The command line: quick by default, `--full`, `--store-quick`, `--confirm`. Returns the exit status."""
        parser = argparse.ArgumentParser(description=self.question)
        parser.add_argument("--full", action="store_true", help="run both modes and write the result file")
        parser.add_argument("--store-quick", action="store_true", help="rewrite the quick part of the result file")
        parser.add_argument(
            "--confirm", action="store_true", help="note that the code of now gives the stored quick digits"
        )
        options = parser.parse_args(argv)
        start = time.perf_counter()
        quantities = self.full() if options.full else self.quick()
        print(table(quantities))
        print(f"{self.id}: {time.perf_counter() - start:.1f} s")
        if options.store_quick:
            self.store_quick(quantities)
        if options.confirm:
            self.confirm(quantities)
        problems = [] if options.full or not self.path.exists() else self.differences(quantities)
        print("\n".join(problems), end="\n" if problems else "")
        status = 1 if problems else 0
        return status if argv is not None else sys.exit(status)
