"""Choosing the device of a run."""

from __future__ import annotations

import re

import torch

NAMES = re.compile(r"cpu|mps|cuda(:(0|[1-9]\d*))?")


def available_devices() -> list[str]:
    """Return the names of the devices that this machine and this PyTorch have, the first of them ``"cpu"``.

    >>> available_devices()[0]
    'cpu'
    """
    names = ["cpu"]
    if torch.cuda.is_available():
        names += ["cuda"] + [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return names


def choose(device, dtype=torch.float32, here=True):
    """Return the ``torch.device`` called ``device``.

    ``device``: "cpu", "cuda", "cuda:1", … or "mps". ``here``: whether it must be one of this machine's. Raises
    ``ValueError`` for one that is not there, listing what is, and for float64 on "mps", which has none.

    >>> choose("cpu")
    device(type='cpu')
    >>> choose("abacus")
    Traceback (most recent call last):
    ...
    ValueError: device 'abacus' is not available here; this machine has: cpu
    >>> choose("abacus", here=False)
    Traceback (most recent call last):
    ...
    ValueError: device must be "cpu", "cuda", "cuda:0", "cuda:1", … or "mps"; got 'abacus'
    """
    name = str(device)
    if here and name not in available_devices():
        raise ValueError(f"device {name!r} is not available here; this machine has: {', '.join(available_devices())}")
    if not NAMES.fullmatch(name):
        raise ValueError(f'device must be "cpu", "cuda", "cuda:0", "cuda:1", … or "mps"; got {name!r}')
    check_dtype(dtype)
    if name == "mps" and dtype == torch.float64:
        raise ValueError("dtype torch.float64 does not exist on device 'mps'; use torch.float32 or device 'cpu'")
    return torch.device(name)


def check_dtype(dtype):
    """Raise ``TypeError`` unless ``dtype`` is ``torch.float32`` or ``torch.float64``."""
    if dtype not in (torch.float32, torch.float64):
        raise TypeError(f"dtype must be torch.float32 or torch.float64; got {dtype!r}")


def widest(device):
    """The real dtype with the most digits there: float64, but float32 on Apple's GPUs.

    >>> widest(torch.device("mps"))
    torch.float32
    """
    return torch.float32 if device.type == "mps" else torch.float64


def placed(data, device, dtype):
    """A copy of a pair of data on a device: floating-point tensors in ``dtype``, whole numbers as they are.

    >>> [d.dtype for d in placed((torch.zeros(2), torch.tensor([0, 1])), "cpu", torch.float64)]
    [torch.float64, torch.int64]
    """
    return tuple(d.to(device, dtype if d.is_floating_point() else d.dtype, copy=True) for d in data)


def moved(value, device):
    """``value`` on ``device``: tensors, also inside dicts, tuples and lists; anything else as it is."""
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, dict):
        return {key: moved(inner, device) for key, inner in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(moved(inner, device) for inner in value)
    return value
