"""Tasks on data that ship inside packages: digits, breast cancer, MNIST-1D."""

from __future__ import annotations

import functools
import importlib.metadata
import math
import random
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from .._base.arguments import LARGEST_SEED, MOST_EXAMPLES, flag, held, layers_of, number, shown, whole
from ..methods.augmentation import Images, Signals
from .._base.streams import moved, numbered, remembered
from .cache import cached
from .networks import conv_net, mlp
from .task import Task, accuracy, binary_accuracy, binary_loss

if TYPE_CHECKING:
    from typing import Any
    from .._types import Augmentation

VALID_SEED, TEST_SEED = 2**31 + 1, 2**31 + 2  # beyond every training seed
MOST_PLACES = 10_000  # of a signal of MNIST-1D
NETWORKS = {"mlp": {1: (64, 2), 2: (64, 2)}, "conv": {1: (16, 3), 2: (8, 2)}}  # axes → usual width and depth


def digits(
    width: int | None = None,
    depth: int = 2,
    batch: int = 64,
    steps: int = 1000,
    valid: int = 300,
    test: int = 300,
    *,
    split: int = 0,
    network: str = "mlp",
    dropout: float = 0.0,
    batch_norm: bool | None = None,
    augment: Augmentation | bool | None = None,
    l1: float = 0.0,
    l2: float = 0.0,
    penalise: str = "weights",
) -> Task:
    """Handwritten digits, 8×8 pixels, 10 classes, 1,797 images (scikit-learn), with an MLP 64-width-…-10.

    The split into 1,197 training, 300 validation and 300 test images is the same each time; another number ``split``
    (0 or larger) draws another one. Pixels are standardised by the mean and the standard deviation of all training
    pixels together. Options for the network and against overfitting:

    * ``network``: "mlp" (`mlp`, width 64) or "conv" (`conv_net` on the 8×8 image, width 8, with batch normalisation);
    * ``dropout``: share dropped after each hidden layer (conv: before the last layer); ``batch_norm``: True or False;
    * ``augment``: True for shifts by one pixel and rotations up to 10° (`lrlib.Images`), or a function;
    * ``l1``, ``l2``, ``penalise``: see `Task`.

    Raises ``TypeError``/``ValueError`` naming a wrong option. Data: Alpaydin & Kaynak (1998), "Optical recognition of
    handwritten digits".

    >>> digits()
    <task digits: batch 64, 1000 steps>
    >>> digits(network="conv").model()(digits().test[0]).shape
    torch.Size([300, 10])
    """
    x, y = _sklearn("load_digits")
    parts = _split(x, y, valid=valid, test=test, split=split)
    mean, std = parts[0][0].mean(), parts[0][0].std()
    parts = [((a - mean) / std, b.long()) for a, b in parts]
    model = _network(network, (8, 8), width, depth, dropout=dropout, batch_norm=batch_norm)
    return Task(
        _named("digits", network),
        model,
        *parts,
        loss=nn.functional.cross_entropy,
        metric=accuracy,
        batch=batch,
        steps=steps,
        augment=_chosen(augment, Images((8, 8), degrees=10.0)),
        l1=l1,
        l2=l2,
        penalise=penalise,
    )


def breast_cancer(
    width: int = 32,
    depth: int = 2,
    batch: int = 16,
    steps: int = 1000,
    valid: int = 100,
    test: int = 100,
    standardise: bool = True,
    *,
    split: int = 0,
    dropout: float = 0.0,
    batch_norm: bool = False,
    augment: Augmentation | None = None,
    l1: float = 0.0,
    l2: float = 0.0,
    penalise: str = "weights",
) -> Task:
    """Breast cancer Wisconsin: 30 measurements, malignant or not, 569 cases (scikit-learn), with an MLP 30-width-…-1.

    The split into 369, 100 and 100 cases is the same each time; another number ``split`` (0 or larger) draws another
    one. Each measurement is standardised by its training mean and standard deviation (``standardise=False`` leaves the
    raw units). y = 1 means benign, as in the source.
    ``dropout``, ``batch_norm``: see `mlp`; ``augment`` (a function), ``l1``, ``l2``, ``penalise``: see `Task`.

    Raises ``TypeError``/``ValueError`` naming a wrong option. Data: Street, Wolberg & Mangasarian (1993), "Nuclear
    feature extraction for breast tumor diagnosis".

    >>> breast_cancer().train[0].shape
    torch.Size([369, 30])
    """
    standardise = flag("standardise", standardise)
    model = _tried(mlp, [30, *layers_of(width, depth), 1], dropout=dropout, batch_norm=batch_norm)
    parts = _split(*_sklearn("load_breast_cancer"), valid=valid, test=test, split=split)
    mean, std = (parts[0][0].mean(0), parts[0][0].std(0)) if standardise else (0.0, 1.0)
    parts = [((a - mean) / std, b.float()) for a, b in parts]
    return Task(
        "breast_cancer",
        model,
        *parts,
        loss=binary_loss,
        metric=binary_accuracy,
        batch=batch,
        steps=steps,
        augment=augment,
        l1=l1,
        l2=l2,
        penalise=penalise,
    )


def mnist1d(
    train: int = 4000,
    valid: int = 10000,
    test: int = 10000,
    width: int | None = None,
    depth: int | None = None,
    batch: int = 100,
    steps: int = 4000,
    fresh: bool = True,
    *,
    network: str = "mlp",
    dropout: float = 0.0,
    batch_norm: bool | None = None,
    augment: Augmentation | bool | None = None,
    l1: float = 0.0,
    l2: float = 0.0,
    penalise: str = "weights",
    **knobs: Any,
) -> Task:
    """MNIST-1D (Greydanus & Kobak 2024): 40 numbers, 10 classes, with an MLP 40-width-…-10.

    ``fresh=True``: each seed draws a training set of its own; ``False``: all seeds share that of seed 0. The
    validation and test sets are always the same. ``knobs`` go to the generator (``corr_noise_scale=0.25,
    iid_noise_scale=0.02, shear_scale=0.75, max_translation=48, final_seq_length=40``, …). Every set has equally many
    of each class, mean 0 and standard deviation 1. Making 5,000 examples takes seconds, once: they are kept on disk
    (`lrlib.tasks.cache.folder`). Raises ``ValueError`` for a size that is no positive multiple of 10 up to a million,
    for an unknown knob and for one outside its range.

    ``network``: "mlp" (width 64, depth 2) or "conv" (`conv_net`, width 16, depth 3, with batch normalisation);
    ``augment``: True for `lrlib.Signals`, or a function; the other options as for `digits`.

    >>> mnist1d(train=4001)
    Traceback (most recent call last):
    ...
    ValueError: mnist1d: train must be a positive multiple of 10; got 4001
    """
    fixed = {"num_samples", "train_split", "seed"} & set(knobs)
    if fixed:
        raise ValueError(f"mnist1d: {sorted(fixed)[0]} is set by the task itself; use train, valid, test and the seed")
    for name, size in {"train": train, "valid": valid, "test": test}.items():
        if whole(f"mnist1d: {name}", size, 0, MOST_EXAMPLES) % 10 or not size:
            raise ValueError(f"mnist1d: {name} must be a positive multiple of 10; got {size}")
    knobs, fresh = _checked(knobs), flag("fresh", fresh)
    model = _network(
        network, (knobs.get("final_seq_length", 40),), width, depth, dropout=dropout, batch_norm=batch_norm
    )
    draw = _Mnist1d(train, tuple(sorted(knobs.items())))
    return Task(
        _named("mnist1d", network),
        model,
        draw if fresh else draw(0),
        _mnist1d(valid, VALID_SEED, draw.knobs),
        test=_mnist1d(test, TEST_SEED, draw.knobs),
        loss=nn.functional.cross_entropy,
        metric=accuracy,
        batch=batch,
        steps=steps,
        augment=_chosen(augment, Signals()),
        l1=l1,
        l2=l2,
        penalise=penalise,
    )


def _network(network, shape, width, depth, dropout, batch_norm):
    """A function without arguments that makes the network of a 10-class task on inputs of ``shape``."""
    if not isinstance(network, str) or network not in NETWORKS:
        raise ValueError(f'network must be "mlp" or "conv"; got {shown(network)}')
    usual_width, usual_depth = NETWORKS[network][len(shape)]
    width, depth = usual_width if width is None else width, usual_depth if depth is None else depth
    norm = network == "conv" if batch_norm is None else batch_norm
    if network == "conv":
        return _tried(conv_net, shape, 10, width, depth=depth, dropout=dropout, batch_norm=norm)
    return _tried(mlp, [math.prod(shape), *layers_of(width, depth), 10], dropout=dropout, batch_norm=norm)


def _tried(make, *arguments, **options):
    """``make`` with its arguments, called once without weights so that a wrong one shows now."""
    with torch.device("meta"):
        make(*arguments, **options)
    return functools.partial(make, *arguments, **options)


def _named(name, network):
    return name if network == "mlp" else f"{name}_{network}"


def _chosen(augment, usual):
    """None and False: no augmentation; True: the usual one; a function: itself."""
    return usual if augment is True else None if augment is False else augment


class _Mnist1d:
    """``draw(seed)`` → training set of that seed."""

    def __init__(self, size, knobs):
        self.size, self.knobs = size, knobs

    def __call__(self, seed):
        if not 0 <= seed < 2**31:
            raise ValueError(f"mnist1d: seed must be between 0 and 2**31 - 1; got {seed}")
        return _mnist1d(self.size, int(seed), self.knobs)


@remembered(maxsize=128)
def _mnist1d(size, seed, knobs):
    arguments = {**dict(knobs), "num_samples": size, "train_split": 1.0, "seed": _number(seed)}
    key = arguments | {"mnist1d": importlib.metadata.version("mnist1d")}
    arrays = cached("mnist1d", key, functools.partial(_make_mnist1d, arguments))
    return torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["y"])


def _size(name, value):
    return whole(name, value, 2, MOST_PLACES)


def _padding(name, value):
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise TypeError(f"{name} must be two whole numbers, the least and the most; got {shown(value)}")
    return tuple(whole(name, places, 0, MOST_PLACES) for places in value)


def _scale(name, value):
    return held(name, number(name, value), torch.float32)


KNOBS = {  # of the generator of MNIST-1D that a task leaves to its user, each with its check
    "template_len": _size,
    "padding": _padding,
    "scale_coeff": _scale,
    "max_translation": functools.partial(whole, least=0, most=MOST_PLACES),
    "corr_noise_scale": _scale,
    "iid_noise_scale": _scale,
    "shear_scale": _scale,
    "shuffle_seq": flag,
    "final_seq_length": _size,
}


def _checked(knobs):
    """The knobs with the values that their checks give back."""
    for name in knobs:
        if name not in KNOBS:
            raise ValueError(f"mnist1d: unknown knob {name!r}; the generator has {', '.join(KNOBS)}")
    return {name: KNOBS[name](f"mnist1d: {name}", value) for name, value in knobs.items()}


def _number(seed):
    """What the generator takes for a seed: below 2³², the upper half of it for validation and test sets alone."""
    return moved(seed, "mnist1d") % 2**31 + (seed & 2**31)


def _make_mnist1d(arguments):
    """Generate one set; the generator seeds Python's and NumPy's global state, which is put back."""
    from mnist1d.data import get_dataset_args, make_dataset
    from mnist1d.utils import ObjectView

    usual = get_dataset_args(as_dict=True)
    del usual["url"]
    python, numpy = random.getstate(), np.random.get_state()
    try:
        data = make_dataset(ObjectView(usual | arguments))
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
    return {"x": data["x"].astype(np.float32), "y": data["y"].astype(np.int64)}


@functools.lru_cache
def _sklearn(loader):
    import sklearn.datasets

    x, y = getattr(sklearn.datasets, loader)(return_X_y=True)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y)


def _split(x, y, *, valid, test, split):
    """Cut (x, y) into training, validation and test parts in one random order, that of seed ``split``."""
    split = whole("split", split, 0, LARGEST_SEED)
    if whole("valid", valid, least=0) < 1 or whole("test", test, least=0) < 1 or valid + test >= len(x):
        raise ValueError(
            f"valid and test must be at least 1 and leave training examples out of {len(x)}; "
            f"got {shown(valid)} and {shown(test)}"
        )
    order = torch.randperm(len(x), generator=numbered(split))
    sizes = [len(x) - valid - test, valid, test]
    return list(zip(x[order].split(sizes), y[order].split(sizes)))
