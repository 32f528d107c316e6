"""How many examples a trial takes: two, or as many as are sure to be enough."""

FEW = 2  # a batch norm refuses a single one


def on_few(call, data, enough):
    """``call(*data)`` on the first two examples; where they are too few for it, on the first ``enough``.

    data: tensors with the examples along their first axis.  enough: how many the caller has in any case, as a batch.
    Raises what the call raises on these.

    >>> import torch
    >>> on_few(len, (torch.zeros(9),), enough=5)
    2
    >>> on_few(lambda x: x.view(-1, 5).shape, (torch.zeros(9),), enough=5)
    torch.Size([1, 5])
    """
    try:
        return call(*(d[:FEW] for d in data))
    except Exception:  # a user's model, loss or metric may need more, and says so in its own way
        return call(*(d[:enough] for d in data))
