"""A run on disk, whole at any moment: a killed run goes on from it as if nothing had happened."""

import io

import torch

from ..._base.arguments import shown
from ..._base.files import opened, sealed, write_atomically
from ..._base.start import converted
from ..._base.digest import digest
from ..identity import identity
from ..record_file import STATUSES
from ..watching import watched

KIND = "lrlib run 3"
STATE = {"t", "status", "losses", "evaluations", "seconds", "model", "buffers", "optimizer", "applied", "snapshots"}


class Checkpoint:
    """The file of one run: `take_up` before its first step, `save` as it goes on."""

    def __init__(self, path, run):
        self.path, self.run = path, run
        groups = [{k: v for k, v in g.items() if k != "params"} for g in run.optimizer.param_groups]
        own = {"optimizer": digest(type(run.optimizer).__name__, groups)} if run.description.brings_optimizer else {}
        self.identity = identity(run.description) | own
        self.words = _words(run)

    def save(self):
        """Write the state of the run; the new file takes the old one's place in one step."""
        content = io.BytesIO()
        torch.save({"identity": self.identity, "words": self.words, "state": _state(self.run)}, content)
        write_atomically(self.path, lambda file: file.write(sealed(KIND, content.getvalue())))

    def take_up(self):
        """Bring the run to the state in the file, if there is one; whether there was.

        Raises ``ValueError`` naming what differs if the file belongs to another run, or if it is no whole checkpoint;
        the run is then as before.
        """
        if not self.path.exists():
            return False
        try:
            data = opened(KIND, self.path.read_bytes())
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
            found, words, state = content["identity"], content["words"], content["state"]
        except Exception as error:  # what is broken in a file may raise anything in those who read it
            raise ValueError(
                f"checkpoint {str(self.path)!r} is not a whole checkpoint of lrlib.fit of this version: {error}; "
                "give another path or remove the file"
            ) from error
        differing = [self._difference(name, words) for name in self.identity if found.get(name) != self.identity[name]]
        if differing:
            raise ValueError(
                f"checkpoint {str(self.path)!r} belongs to another run: {', '.join(differing)}; "
                "give another path or remove the file"
            )
        problem = _problem(self.run, state)
        if problem:
            raise ValueError(f"checkpoint {str(self.path)!r} is no state of this run: {problem}")
        _restore(self.run, state)
        return True

    def _difference(self, name, words):
        if words.get(name, "") == self.words.get(name, ""):
            return f"another {name}"
        return f"its {name} is {words.get(name)}, not {self.words.get(name)}"


def _words(run):
    """What of a run a message can show: {part: text}. A plain function's own text says where it lies in memory."""
    d, plan = run.description, run.description.plan
    told = plan is None or hasattr(plan, "length")
    return {
        "task": d.task.name,
        "rule": run.following.name,
        "lr": shown(run.following.lr0),
        "seed": str(run.seed),
        "seeds from": str(d.origin),
        "steps": str(d.steps),
        "dtype": str(d.dtype),
        "plan": shown(plan) if told else "a function of the step",
        "stop": shown(d.stop),
        "plateau": shown(d.plateau),
    }


def _state(run):
    """Everything that `_restore` needs, as plain values and tensors."""
    return {
        "t": run.t,
        "status": run.status,
        "losses": list(run.losses),
        "evaluations": run.evaluations,
        "seconds": run.seconds,
        "model": dict(run.model.named_parameters()),
        "buffers": dict(run.model.named_buffers()),
        "optimizer": run.optimizer.state_dict(),
        "applied": {name: torch.from_numpy(rows) for name, rows in run.following.applied().items()},
        "snapshots": converted(run.snapshots, torch.from_numpy),
    }


def _problem(run, state):
    """Why a state cannot be one of this run, or None."""
    if not isinstance(state, dict) or set(state) != STATE:
        return "it lacks something"
    if state["status"] not in ("running", *STATUSES) or not 0 <= state["t"] <= run.description.steps:
        return f"its step is {state['t']!r} and its status {state['status']!r}"
    if len(state["losses"]) != state["t"]:
        return f"it has {len(state['losses'])} losses of {state['t']} steps"
    for kind, tensors in (("model", run.model.named_parameters()), ("buffers", run.model.named_buffers())):
        wrong = [name for name, own in tensors if getattr(state[kind].get(name), "shape", None) != own.shape]
        if wrong:
            return f"{', '.join(wrong)} has another shape"
    return None


@torch.no_grad()
def _restore(run, state):
    """Bring a run that has made no step to a state."""
    run.t, run.status, run.seconds = state["t"], state["status"], state["seconds"]
    run.losses, run.evaluations = list(state["losses"]), list(state["evaluations"])
    run.snapshots = converted(state["snapshots"], torch.Tensor.numpy)
    for part, tensors in (("model", run.model.named_parameters()), ("buffers", run.model.named_buffers())):
        for name, tensor in tensors:
            tensor.copy_(state[part][name])
    run.optimizer.load_state_dict(state["optimizer"])
    run.following.earlier = {name: rows.numpy() for name, rows in state["applied"].items()}
    for values in run.evaluations if run.stop is not None else ():
        run.stop.update(watched(run.stop, values))
