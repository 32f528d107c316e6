"""The language of the notebook, and the standard words in both languages.

`strings.csv` holds one row a word: key, English, Japanese. Nothing else in
`lrbook` contains a word that a reader of a notebook sees.
"""

import csv
from functools import lru_cache
from pathlib import Path

BOOK = Path(__file__).resolve().parent.parent
LANGUAGES = ("en", "ja")
_current = {"lang": "en"}


def read_table(name):
    """Rows of a table of the book (`claims.csv`, …) as dictionaries.

    >>> read_table("documents.csv")[1]["document"]
    '001'
    """
    path = BOOK / name
    return [dict(row) for row in _rows(path, path.stat().st_mtime_ns)]


@lru_cache(maxsize=32)
def _rows(path, _stamp):
    with open(path, encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def check_language(lang):
    """The language itself, or a `ValueError` that names the two allowed ones.

    >>> check_language("ja")
    'ja'
    """
    if lang not in LANGUAGES:
        raise ValueError(f"lang must be one of {', '.join(LANGUAGES)}, not {lang!r}")
    return lang


def set_language(lang):
    """Choose the language of every later label, claim and widget (`"en"`, `"ja"`).

    >>> set_language("en")
    """
    _current["lang"] = check_language(lang)


def language():
    """The language chosen by `set_language`; English before that.

    >>> language()
    'en'
    """
    return _current["lang"]


@lru_cache(maxsize=1)
def strings():
    """All standard words: `{key: {"en": …, "ja": …}}`.

    >>> strings()["axis.step"]["ja"]
    'ステップ'
    """
    return {row["key"]: {lang: row[lang] for lang in LANGUAGES} for row in read_table("strings.csv")}


def t(key, lang=None, **values):
    """The word for `key` in the notebook's language, its `{places}` filled in.

    `lang` overrides the notebook's language. Unknown keys raise a `ValueError`.

    >>> t("axis.rate", lang="ja")
    '学習率'
    >>> t("claim.seeds", lang="en", n=20)
    '20 seeds'
    """
    if key not in strings():
        raise ValueError(f"key must be one of book/strings.csv, not {key!r}")
    word = strings()[key][check_language(lang or language())]
    return word.format(**values) if values else word
