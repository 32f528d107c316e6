"""The sentences that Python says, in English and Japanese.

Labels and sentences of the page live in ``widgets/js/core/i18n.js``; only what Python itself has to
say is here: the text that stands for a widget where no page draws it, and the reason of a refusal.
"""

from __future__ import annotations

LANGUAGES = ("en", "ja")

STRINGS: dict[str, dict[str, str]] = {
    "repr": {
        "en": "[interactive figure: run this cell to start it]",
        "ja": "[対話できる図:このセルを実行すると動きます]",
    },
    "refused": {
        "en": "{name} = {value} was refused: {allowed}. It stays at {old}.",
        "ja": "{name} = {value} は使えません。使えるのは{allowed}です。値は {old} のままです。",
    },
    "between": {
        "en": "allowed is a number from {low:g} to {high:g}",
        "ja": "{low:g} から {high:g} までの数",
    },
    "whole": {
        "en": "allowed is a whole number from {low} to {high}",
        "ja": "{low} から {high} までの整数",
    },
    "choice": {
        "en": "allowed is one of {choices}",
        "ja": "{choices} のどれか",
    },
    "order": {
        "en": "low = {low} and high = {high}: low must be the smaller one.",
        "ja": "low = {low}、high = {high} です。low は high より小さくしてください。",
    },
    "command": {
        "en": "The page sent a command that this figure does not know: {name}.",
        "ja": "この図が知らない命令がページから届きました:{name}。",
    },
}

_current = "en"


def set_language(lang: str) -> None:
    """Set the language of widgets that are made from now on.

    Args:
        lang: ``"en"`` or ``"ja"``.

    Raises:
        ValueError: ``lang`` is another value.

    >>> set_language("ja"); language()
    'ja'
    >>> set_language("en")
    """
    global _current
    if lang not in LANGUAGES:
        raise ValueError(f"lang = {lang!r}: allowed is one of {', '.join(LANGUAGES)}")
    _current = lang


def language() -> str:
    """Return the language that new widgets speak: ``"en"`` unless :func:`set_language` changed it."""
    return _current


def say(key: str, lang: str | None = None, **values: object) -> str:
    """Return the sentence ``key`` in ``lang`` (default: the current language), filled with ``values``.

    >>> say("whole", "en", low=1, high=9)
    'allowed is a whole number from 1 to 9'
    """
    return STRINGS[key][lang or _current].format(**values)
