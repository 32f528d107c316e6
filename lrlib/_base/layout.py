"""How results are shown and passed on: tables of text, and values as JSON knows them."""

import math
import unicodedata


def table(rows):
    """Rows of texts as lines, numbers to the right and a first column of words to the left; the first row is the head.

    >>> print(table([("step", "rate"), ("0", "0.1"), ("10", "0.05")]))
    step  rate
       0   0.1
      10  0.05
    """
    widths = [max(map(_cells, column)) for column in zip(*rows)]
    words = not rows[-1][0][:1].isdigit()
    lines = ([" " * (width - _cells(text)) + text for text, width in zip(row, widths)] for row in rows)
    return "\n".join(
        "  ".join([row[0] + " " * (widths[0] - _cells(row[0])), *line[1:]] if words else line).rstrip()
        for row, line in zip(rows, lines)
    )


def _cells(text):
    """Width on a terminal, where a Japanese character takes two places."""
    return len(text) + sum(unicodedata.east_asian_width(c) in "WF" for c in text)


def plain(value):
    """A value as JSON knows it: arrays as lists, nan and infinite numbers as None.

    >>> plain({"loss": float("nan"), "seeds": (1, 2)})
    {'loss': None, 'seeds': [1, 2]}
    """
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, list):
        return plain(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
