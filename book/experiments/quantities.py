"""Quantities with their sentence: what every experiment's script says about its numbers."""

from lrbook.quantity import exact, measured


def per_seed(values, unit, axes, about, band=None):
    """A quantity with one value per seed, [*axes, seed], and the sentence that explains it."""
    return measured(values, unit, axes, band=band, about=about)


def fixed(value, unit, axes, about, band=None):
    """A quantity without chance, [*axes], and the sentence that explains it."""
    return exact(value, unit, axes, band=band, about=about)
