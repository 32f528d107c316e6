"""The sizes of an experiment: quick, full, and the full protocol with a single seed."""


def modes(quick, full, counts=("seeds",), least=1, single=None):
    """{"quick", "full", "single"}: the single one is the full one in which every number of seeds is `least`.

    counts: the entries that are numbers of seeds, or dicts of such numbers.  least: 2 where one seed cannot be
    analysed, as where seeds are halved or left out in turn.  single: other entries of the single one, where even one seed
    of the full protocol takes minutes.

    >>> modes(dict(seeds=3, steps=10), dict(seeds=40, pilot=5, steps=900), counts=("seeds", "pilot"))["single"]
    {'seeds': 1, 'pilot': 1, 'steps': 900}
    """
    fewer = {name: dict.fromkeys(full[name], least) if isinstance(full[name], dict) else least for name in counts}
    return {"quick": quick, "full": full, "single": full | fewer | (single or {})}
