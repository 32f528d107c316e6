"""The design of each experiment in the language of the edition.

The English is the script's own account. The Japanese stands in `book/designs_ja.csv`, with the hash of the English that it
follows; `python -m lrbook.translated E03` notes there that it follows the English as it is now.
"""

import csv
import io

from . import results, scripts
from .language import BOOK, read_table
from .nbtext import HASH
from .parity import text_hash

TABLE = BOOK / "designs_ja.csv"


def design(name, lang):
    """How an experiment was carried out: paragraphs. Raises `ValueError` where the Japanese is missing."""
    if lang == "en":
        return scripts.design(name)
    return [_row(name)["design_ja"]]


def stale(name):
    """Whether the English changed since the Japanese was written."""
    return _row(name)[HASH] != _english(name)


def accept(number):
    """Note that the Japanese of an experiment ("E03") follows the English as it is now; returns the table."""
    name = scripts.by_number().get(number)
    if name is None:
        raise ValueError(f"no experiment is called {number}")
    _row(name)
    rows = read_table(TABLE.name)
    for row in rows:
        if row["experiment"] == number:
            row[HASH] = _english(name)
    text = io.StringIO()  # so that a row that does not fit leaves the file as it is
    table = csv.DictWriter(text, rows[0], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    TABLE.write_text(text.getvalue(), encoding="utf-8", newline="\n")
    return TABLE


def _row(name):
    number = results.experiment_number(name)
    for row in read_table(TABLE.name):
        if row["experiment"] == number:
            return row
    raise ValueError(f"{TABLE.name} has no row for {number}")


def _english(name):
    """Hash of the script's account; how its lines are broken does not count."""
    return text_hash("\n\n".join(scripts.design(name)))
