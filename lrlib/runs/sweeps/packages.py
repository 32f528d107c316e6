"""Programs of several steps that another process compiles, so that nobody waits: kept in the user's cache folder.

A package is the code that ``torch.compile`` would make, as a file: it is loaded in milliseconds and gives the same
bits. Its name is the digest of the graph, the shapes, the processor's instructions, the threads and torch's version.
The folder keeps the `KEPT` packages that were used last. The process that compiles ends with its run, however that
ends.
"""

import atexit
import contextlib
import hashlib
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from ...tasks.cache import folder as cache_folder

KEPT = 64  # packages, of two megabytes or so
PATIENCE = 600  # seconds after which a compilation counts as failed


def folder():
    """Where the packages lie: ``programs`` in the folder of cached data (``LRLIB_CACHE``)."""
    return cache_folder() / "programs"


class Package:
    """A program in the making, or one that was made before; ``load()`` gives it as a function of tensors."""

    def __init__(self, key, graph, tensors):
        """What `paths.unrolled` gives: what makes the program, its `fx.GraphModule`, tensors to call it with."""
        threads, cpu = torch.get_num_threads(), torch.backends.cpu.get_cpu_capability()
        name = hashlib.blake2b(repr((key, torch.__version__, threads, cpu)).encode("utf-8"), digest_size=16).hexdigest()
        self.path, self.process, self.job = folder() / f"{name}.pt2", None, None
        self.like = _likeness(tensors)
        if not self.path.exists():
            self._begin(graph, threads)

    def _begin(self, graph, threads):
        self.job = tempfile.TemporaryDirectory(prefix="lrlib-", ignore_cleanup_errors=True)
        task = Path(self.job.name) / "job.pickle"
        task.write_bytes(pickle.dumps((graph, self.like, threads)))
        command = [sys.executable, "-m", __name__, str(task), str(self.path)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with open(Path(self.job.name) / "said", "wb") as said:
            self.process = subprocess.Popen(
                command, stdout=said, stderr=said, env=environment, start_new_session=os.name != "nt"
            )
        atexit.register(self.end)

    @property
    def ready(self):
        """Whether nobody has to wait for it."""
        return self.process is None or self.process.poll() is not None

    def load(self):
        """The program; waits for it where it is not ready. Raises ``RuntimeError`` where it could not be compiled."""
        if self.process is not None:
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                pass
            said = (Path(self.job.name) / "said").read_text(encoding="utf-8", errors="replace").strip()
            self.end()
            if not self.path.exists():
                raise RuntimeError(said.splitlines()[-1] if said else "the compiling process ended without a program")
        with contextlib.suppress(OSError):
            os.utime(self.path)
        # what `torch._inductor.aoti_load_package` calls, without its second of imports
        return _Loaded(torch._C._aoti.AOTIModelPackageLoader(str(self.path), "model", True, 1, -1))

    def check(self, tensors):
        """Raise ``ValueError`` where the first of its tensors are not of the kind that it was compiled for."""
        if _likeness(tensors) != self.like[: len(tensors)]:
            raise ValueError("the weights or the state no longer have the shapes or strides that they began with")

    def end(self):
        """End the process that compiles, with the compilers that it has started."""
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(OSError):
                if os.name == "nt":
                    self.process.kill()
                else:
                    os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        if self.job is not None:
            self.job.cleanup()
            atexit.unregister(self.end)
        self.process = self.job = None


class _Loaded:
    """A package's code as a function of tensors."""

    def __init__(self, loader):
        self.loader = loader

    def __call__(self, *tensors):
        return self.loader.run(list(tensors))


def _likeness(tensors):
    return [(tuple(tensor.shape), tensor.stride(), tensor.dtype) for tensor in tensors]


def compiled(job, path):
    """Compile what `Package` has written down, into a package; the file appears in one piece."""
    graph, like, threads = pickle.loads(Path(job).read_bytes())
    torch.set_num_threads(threads)
    tensors = tuple(torch.zeros(()).to(dtype).new_empty_strided(shape, stride).zero_() for shape, stride, dtype in like)
    beside = Path(job).with_name("program.pt2")
    with torch.no_grad():
        torch._inductor.aoti_compile_and_package(torch.export.export(graph, tensors), package_path=str(beside))
    path.parent.mkdir(parents=True, exist_ok=True)
    halfway = path.with_name(f".{path.name}.{os.getpid()}")
    halfway.write_bytes(beside.read_bytes())
    os.replace(halfway, path)
    prune(path.parent)


def prune(where, kept=None):
    """Leave the packages that were used last."""
    files = sorted(where.glob("*.pt2"), key=lambda file: file.stat().st_mtime, reverse=True)
    for old in files[KEPT if kept is None else kept :]:
        old.unlink(missing_ok=True)


if __name__ == "__main__":
    compiled(sys.argv[1], Path(sys.argv[2]))
