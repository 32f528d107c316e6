"""A trial of a task on two examples, before a run: whether what its functions give can be trained and evaluated."""

import contextlib
import numbers
import warnings

import torch

from .._base.arguments import first_line
from .._base.device import placed
from .._base.preserve import random_states
from .._base.streams import materialise, seeded
from .evaluation import evaluate_model, evaluating
from .few import FEW, on_few
from .pairing import all_pairs, some

PARTS = ("train", "valid", "test")


def try_out(task, seed, dtype, device):
    """Raise ``TypeError`` or ``ValueError`` naming the field of a task that a run would fail on, or learn nothing by.

    Looked at are: whether ``model`` gives a fresh network each time, with real parameters to train; whether the
    network takes ``train``, ``valid`` and ``test``; whether ``loss`` is one number with a gradient, ``metric`` one
    number; whether both set each output against its own ``y`` (`all_pairs`). Random states, gradients and buffers stay
    as they are. Where two examples are too few for ``loss`` or ``metric``, more are taken. Warns of data that are not
    finite where the loss is not finite with them.

    >>> from lrlib import tasks
    >>> task = tasks.digits(width=4)
    >>> try_out(task, 0, torch.float32, "cpu")
    >>> task.loss = torch.nn.CrossEntropyLoss(reduction="none")
    >>> try_out(task, 0, torch.float32, "cpu")
    Traceback (most recent call last):
    ...
    ValueError: task 'digits': loss must give one number, a tensor without axes; it gave the shape (2,): take its mean
    """
    with random_states(), seeded(seed, device):
        model, shared = _network(task, seed)
        sets = _sets(task, seed, dtype, device)
        before = {name: buffer.clone() for name, buffer in shared.items()}
        model = model.to(device=device, dtype=dtype).train()
        try:
            _check_untouched(task, model, *sets["train"])
            _try_training(task, model, *sets["train"])
            _check_shared(task, shared, before)
            for part, pair in sets.items():
                _try_evaluation(task, model, part, pair)
                _warn_of_nan(task, model, part, pair)
                _check_pairing(task, model, *pair)
        finally:
            with torch.no_grad():
                for name, buffer in shared.items():
                    buffer.copy_(before[name])


def _error(task, what, kind=ValueError):
    return kind(f"task {task.name!r}: {what}")


def _network(task, seed):
    """A fresh network, checked, and those of its buffers that another call of the model function gives again."""
    with seeded(seed):
        model = task.model()
        if not isinstance(model, torch.nn.Module):
            what = f"model must be a function that returns a torch.nn.Module; it returned {type(model).__name__}"
            raise _error(task, what, TypeError)
        try:
            materialise(model, task, seed)
        except Exception as error:  # whatever the user's network raises is what the sentence reports
            what = f"model: its lazy layers cannot get their shapes from two examples of train: {first_line(error)}"
            raise _error(task, what) from error
        other = task.model()
    places = {_place(tensor) for tensor in (*other.parameters(), *other.buffers())} - {None}
    again = [name for name, p in model.named_parameters() if _place(p) in places]
    if other is model or again:
        raise _error(
            task,
            f"model gives {'one network' if other is model else 'the parameter ' + again[0]} again at its second "
            "call, so that runs would write into each other: build the network inside the function, as "
            "lambda: nn.Linear(3, 2), and take copy.deepcopy of one that is there already",
        )
    _check_parameters(task, model)
    return model, {name: buffer for name, buffer in model.named_buffers() if _place(buffer) in places}


def _place(tensor):
    """Where a tensor's numbers lie; None where it has none."""
    if torch.nn.parameter.is_lazy(tensor) or not tensor.numel():
        return None
    return tensor.device, tensor.untyped_storage().data_ptr()


def _check_parameters(task, model):
    parameters = dict(model.named_parameters())
    not_real = [f"{name} is {p.dtype}" for name, p in parameters.items() if p.is_complex()]
    if not_real:
        raise _error(task, f"model must have real parameters; {not_real[0]}", TypeError)
    if not any(p.numel() for p in parameters.values()):
        raise _error(task, "model has no parameters, so there is nothing to train")
    if not any(p.requires_grad for p in parameters.values()):
        raise _error(task, "model has only frozen parameters (requires_grad=False), so there is nothing to train")


def _sets(task, seed, dtype, device):
    """{part: (x, y)} of the task, on the device and in the dtype of the run."""
    found = {"train": task.train_for(seed)} | {part: getattr(task, part, None) for part in PARTS[1:]}
    return {part: placed(pair, device, dtype) for part, pair in found.items() if pair is not None}


def _warn_of_nan(task, model, part, pair):
    """Warn of values that are not finite where they make the loss so; what the loss masks is no concern."""
    for name, values in zip("xy", pair):
        odd = (~torch.isfinite(values)).flatten(1).any(1) if values.ndim > 1 else ~torch.isfinite(values)
        rows = odd.nonzero().flatten()
        if len(rows) and not _loss_is_finite(task, model, *(d[torch.cat([some(*pair), rows[:1]])] for d in pair)):
            count = f"{int((~torch.isfinite(values)).sum())} of {values.numel()} values that are not finite"
            what = f"{part}: {name} has {count}, the first in row {int(rows[0])}, and the loss is not finite with them"
            warnings.warn(f"task {task.name!r}: {what}", stacklevel=2)


def _loss_is_finite(task, model, x, y):
    try:
        with evaluating(model):
            return bool(torch.isfinite(task.loss(model(x), y)))
    except Exception:  # so few examples are not what the loss is for
        return False


def _check_pairing(task, model, x, y):
    """Raise where loss or metric sets every output against every y (`all_pairs`)."""
    rows = some(x, y)
    with evaluating(model):
        try:
            output, y = model(x[rows]), y[rows]
        except Exception:  # a network that takes whole sets alone
            return
        for field in ("loss", "metric"):
            if all_pairs(getattr(task, field), output, y):
                shapes = f"outputs of shape {tuple(output.shape)} against y of shape {tuple(y.shape)}"
                what = f"{field} sets every output against every y, not its own: {shapes} are broadcast to all pairs"
                raise _error(task, f"{what}; give the two one shape, as y[:, None] or output.squeeze(-1)")


def _check_untouched(task, model, x, y):
    """Raise where model, loss or metric write into what they are given: the data, which all steps and lanes share."""
    rows = some(x, y)
    for training in (True, False):
        few = [d[rows] for d in (x, y)]
        given = [d.clone() for d in few]
        with contextlib.suppress(Exception), torch.no_grad():  # what fails is told by the trials that follow
            output = model.train(training)(given[0])
            task.loss(output, given[1])
            task.metric(output, given[1])
        model.train()
        changed = [name for name, before, after in zip("xy", few, given) if not _alike(before, after)]
        if changed:
            who = "model changes its inputs" if changed[0] == "x" else "loss or metric changes y"
            raise _error(task, f"{who} in place, which would change the data from step to step: begin with a .clone()")


def _alike(one, other):
    return bool(((one == other) | ((one != one) & (other != other))).all())


def _try_training(task, model, x, y):
    """One loss and its gradients, on two examples; where these are too few, on as many as a batch has."""
    if task.batch is not None and task.batch > len(x):
        raise _error(task, f"batch must be between 1 and the {len(x)} training examples; got {task.batch}")
    parameters, size = list(model.parameters()), task.batch or len(x)
    try:
        output, loss = on_few(lambda a, b: _objective(task, model, parameters, a, y=b), (x, y), size)
    except Exception as error:
        raise _error(task, _failed(model, x[:size], error)) from error
    _check_number(task, "loss", loss)
    if not isinstance(loss, torch.Tensor) or not loss.is_floating_point():
        got = loss.dtype if isinstance(loss, torch.Tensor) else type(loss).__name__
        raise _error(task, f"loss must give a floating-point tensor; it gave {got}", TypeError)
    if not loss.requires_grad or not _reaches(task, parameters, output, loss):
        raise _error(
            task,
            "loss has no gradient with respect to the network's parameters: output or loss was detached, or computed "
            "by other weights",
        )


def _objective(task, model, parameters, x, y):
    with torch.enable_grad():
        output = model(x)
        return output, task.objective(output, y, parameters)


def _failed(model, x, error):
    """What to say of an error on the way to the training loss."""
    seen = f"x of train, {x.dtype} of shape {tuple(x.shape)}"
    try:
        with torch.no_grad():
            model(x)
    except Exception:
        hint = "" if x.is_floating_point() else "; a network of floating-point weights wants x.float()"
        return f"model does not take {seen}: {first_line(error)}{hint}"
    return f"loss fails on the network's output for {seen}: {first_line(error)}"


def _reaches(task, parameters, output, loss):
    """Whether a gradient of the loss comes to a parameter; a penalty alone does not count."""
    wanted = [p for p in parameters if p.requires_grad]
    if getattr(task, "penalised", False) and isinstance(output, torch.Tensor):
        if not output.requires_grad or _all_none(loss, [output]):
            return False
    return not _all_none(loss, wanted)


def _all_none(loss, tensors):
    return all(g is None for g in torch.autograd.grad(loss, tensors, allow_unused=True, retain_graph=True))


def _check_number(task, field, value):
    """Raise unless ``loss`` or ``metric`` gave one real number."""
    if isinstance(value, torch.Tensor):
        if value.ndim:
            advice = ": take its mean" if value.numel() > 1 else ": take out the number, as value.squeeze()"
            what = f"one number, a tensor without axes; it gave the shape {tuple(value.shape)}{advice}"
            raise _error(task, f"{field} must give {what}")
        if not value.is_complex():
            return
    if not isinstance(value, numbers.Real):
        raise _error(task, f"{field} must give one real number; it gave {_kind(value)}", TypeError)


def _kind(value):
    return value.dtype if isinstance(value, torch.Tensor) else type(value).__name__


def _check_shared(task, shared, before):
    """Raise where a forward pass has changed a buffer that all networks share."""
    changed = [name for name, buffer in shared.items() if not torch.equal(buffer, before[name])]
    if changed:
        raise _error(
            task,
            f"model gives the buffer {changed[0]} again at its second call, which the network changes as it trains: "
            "build it inside the function",
        )


def _try_evaluation(task, model, part, pair):
    """Loss and metric of two examples of a part, and of some more; where these are too few, of all of it."""
    try:
        tried = [_evaluated(task, model, *(d[rows] for d in pair)) for rows in (slice(FEW), some(*pair))]
    except Exception:  # a metric may need more
        try:
            evaluate_model(task, model, {part: pair})
        except Exception as error:
            raise _error(
                task, f"an evaluation of {part} fails in model, loss or metric: {first_line(error)}"
            ) from error
        return
    for found in tried:
        for field, value in found.items():
            _check_number(task, field, value)


def _evaluated(task, model, x, y):
    with evaluating(model):
        output = model(x)
        return {"loss": task.loss(output, y), "metric": task.metric(output, y)}
