"""What only the book needs: figures, results, claims and verdicts in the notebook's language.

>>> import lrbook
>>> lrbook.start("en")
>>> lrbook.t("axis.rate")
'learning rate'
"""

from importlib import import_module

from .language import BOOK, language, t

_HOMES = {
    "figures": (
        "COLORS",
        "LINES",
        "MARKERS",
        "applied",
        "contrast",
        "ink",
        "label",
        "panel",
        "planned",
        "show",
        "style",
    ),
    "results": ("result",),
    "claims": ("claim", "verdict_table"),
    "experiment": ("Experiment",),
    "quantity": ("Quantity", "exact", "measured", "paired"),
}
_WHERE = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["BOOK", "language", "start", "t", *sorted(_WHERE)]


def start(lang="en"):
    """Begin a notebook: its language, and the looks of its figures.

    Sets the language of labels, claims and widgets and the book's matplotlib
    style. `lang` is "en" or "ja"; anything else raises a `ValueError`.

    >>> start("fr")
    Traceback (most recent call last):
    ValueError: lang must be one of en, ja, not 'fr'
    """
    from .figures import use_style
    from .language import set_language

    set_language(lang)
    use_style()
    try:
        from lrwidgets.strings import set_language as set_widgets
    except ImportError:  # a reader may have the book without the widgets
        return
    set_widgets(lang)


def __getattr__(name):
    # Lazy, so that an experiment does not load matplotlib and a page does not load torch.
    if name not in _WHERE:
        raise AttributeError(f"module 'lrbook' has no attribute {name!r}")
    return getattr(import_module(f".{_WHERE[name]}", __name__), name)
