"""The project's Python environment, `.venv`: made once, checked at every start, never used half-made.

Two files inside it tell its state. `made-by-run.py` is written before anything else, so that a folder
without it is somebody else's and is left alone. `set-up.json`, the stamp, is written last, in one piece:
where it is missing, a set-up was interrupted and starts anew; where it differs from what the project
wants today, the environment is brought up to date in place.
"""

import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from .lock import only_one

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = "book,test,lab"
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
NO_VENV = (
    "This Python cannot make a virtual environment ({}). Debian and Ubuntu keep that part in a package of "
    "its own:\n    sudo apt install python3-venv\nThen start the same command again."
)
NO_PIP = (
    "pip could not install {}; its last lines are above. Start the same command again to try once more; "
    "if pip named a full disk or a missing permission, mend that first."
)
NO_NETWORK = (
    "pip reached no package index, so {} could not be installed. Is this machine online? Behind a proxy "
    "set HTTPS_PROXY first. Then start the same command again: it goes on from here."
)
NETWORK_SIGNS = re.compile(
    r"NewConnectionError|ConnectionError|ConnectTimeout|ReadTimeout|name resolution|getaddrinfo|"
    r"ProxyError|Connection refused|from versions: none|Max retries exceeded|Retrying \(Retry"
)


class SetupError(Exception):
    """A set-up that cannot go on; the message tells the reader what to do."""


@dataclass(frozen=True)
class Environment:
    """The environment beside `run.py`, or of another checkout in tests."""

    root: Path = ROOT

    @property
    def folder(self) -> Path:
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def stamp(self) -> Path:
        return self.folder / "set-up.json"

    @property
    def owner(self) -> Path:
        return self.folder / "made-by-run.py"

    def read_stamp(self) -> dict:
        """What the last complete set-up wrote; {} where none was completed."""
        try:
            return json.loads(self.stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}

    def wanted(self, cuda: bool | None = None) -> dict:
        """The stamp that a set-up of today would write; `cuda=None` keeps the choice made before."""
        project = tomllib.loads((self.root / "pyproject.toml").read_text(encoding="utf-8"))
        installed = [project["build-system"], project["project"], project["tool"]["hatch"]]  # not ruff's or pytest's
        pins = (self.root / "constraints.txt").read_text(encoding="utf-8")
        digest = hashlib.sha256(json.dumps([installed, pins], sort_keys=True).encode("utf-8"))
        chosen = self.read_stamp().get("cuda", False) if cuda is None else cuda
        return {"files": digest.hexdigest(), "folder": str(self.folder), "cuda": chosen}

    def state(self, cuda: bool | None = None) -> str:
        """One of "ready", "stale" (complete, but the project changed), "broken", "absent", "foreign"."""
        if not self.folder.exists():
            return "absent"
        if not self.owner.exists():
            return "foreign"
        stamp, wanted = self.read_stamp(), self.wanted(cuda)
        same_place = stamp.get("folder") == wanted["folder"] and stamp.get("cuda") == wanted["cuda"]
        if not same_place or not self.starts():
            return "broken"
        return "ready" if stamp == wanted else "stale"

    def starts(self) -> bool:
        """Whether its Python still starts: the one that it was made from may be gone."""
        try:
            return subprocess.run([self.python, "-I", "-S", "-c", ""], capture_output=True, timeout=60).returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            return False

    def variables(self, **more: str) -> dict:
        """The variables that its programs run under: UTF-8 whatever the system's code page, no other packages."""
        kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__")}
        path = os.pathsep.join([str(self.python.parent), kept.get("PATH", "")])
        return {
            **kept,
            "PATH": path,
            "VIRTUAL_ENV": str(self.folder),
            "PYTHONUTF8": "1",
            "PYTHONNOUSERSITE": "1",
            "JUPYTER_CONFIG_PATH": str(self.root / "tools" / "jupyter"),
            **more,
        }

    def run(self, *arguments: str, **more: str) -> int:
        """Run its Python in the project's folder and return the exit status."""
        return subprocess.run([str(self.python), *arguments], cwd=self.root, env=self.variables(**more)).returncode


def ensure(env: Environment, cuda: bool | None = None) -> str:
    """Bring the environment to "ready"; returns the state that it was found in."""
    found = env.state(cuda)
    if found == "ready":
        return found
    with only_one(env.root / ".venv.lock"):
        state = env.state(cuda)  # another call may have finished it meanwhile
        if state == "foreign":
            raise SetupError(
                f"{env.folder} exists, but run.py did not make it. Move it away or delete it, "
                "then start the same command again."
            )
        if state == "stale":
            update(env, env.wanted(cuda))
        elif state != "ready":
            make(env, env.wanted(cuda))
    return found


def make(env: Environment, wanted: dict) -> None:
    """Make the environment from nothing; the stamp comes last."""
    print("Setting up the environment in .venv: once, some minutes and about 2 GB.", flush=True)
    clear(env)
    env.folder.mkdir()
    env.owner.write_text("run.py made this folder and may delete it.\n", encoding="utf-8")
    create(env)
    install(env, wanted["cuda"])
    write_stamp(env, wanted)


def update(env: Environment, wanted: dict) -> None:
    """Install what the project newly wants; after a clean failure the old stamp stands again."""
    print("The project's requirements changed: bringing .venv up to date.", flush=True)
    before = env.read_stamp()
    env.stamp.unlink()
    try:
        install(env, wanted["cuda"])
    except SetupError:
        write_stamp(env, before)
        raise
    write_stamp(env, wanted)


def clear(env: Environment) -> None:
    """Delete a half-made, moved or outdated environment."""
    if not env.folder.exists():
        return
    print("The environment in .venv is incomplete or was moved: making it anew.", flush=True)
    try:
        shutil.rmtree(env.folder)
    except OSError as error:
        raise SetupError(
            f"{env.folder} cannot be deleted ({error.strerror}). Close the programs that use it, "
            "then start the same command again."
        ) from error


def create(env: Environment) -> None:
    """Make the bare environment with pip in it."""
    try:
        import venv

        venv.create(env.folder, with_pip=True)
    except ImportError as error:
        raise SetupError(NO_VENV.format(f"no module named {error.name}")) from error
    except subprocess.CalledProcessError as error:
        raise SetupError(NO_VENV.format("its module ensurepip is missing or broken")) from error
    except OSError as error:
        raise SetupError(f"{env.folder} cannot be made: {error.strerror}.") from error


def install(env: Environment, cuda: bool) -> None:
    """PyTorch first and alone, so that no other package can pull in a build of its own choice; then the rest."""
    pip(env, torch_arguments(env.root, cuda), "PyTorch")
    pip(env, ["-c", "constraints.txt", "-e", f".[{EXTRAS}]"], "the book's packages")
    make_paths_relative(env)


def make_paths_relative(env: Environment) -> None:
    """Let the paths to the three packages be relative, so plain ASCII: Python before 3.13 reads them in the system's
    own encoding, and would not start in a folder with a Japanese name where that encoding is not UTF-8."""
    name = "site-packages/*learning_rates*.pth"
    for path in [*env.folder.glob(f"lib/python*/{name}"), *env.folder.glob(f"Lib/{name}")]:
        lines = path.read_text(encoding="utf-8").splitlines()
        relative = [os.path.relpath(path.parent / line, path.parent) for line in lines]
        path.write_text("\n".join(relative) + "\n", encoding="utf-8")


def torch_arguments(root: Path, cuda: bool) -> list[str]:
    """pip's arguments for PyTorch: the pinned version, on Linux from PyTorch's CPU index unless CUDA is wanted."""
    pin = re.search(r"^torch==\S+", (root / "constraints.txt").read_text(encoding="utf-8"), re.M)[0]
    if cuda and sys.platform != "linux":
        raise SetupError(
            f"--cuda serves Linux. On {platform.system()} set PIP_EXTRA_INDEX_URL to the index that "
            "pytorch.org/get-started names for your system, delete .venv, and start without --cuda."
        )
    if cuda or sys.platform != "linux" or os.environ.get("LR_NO_TORCH_INDEX"):
        return [pin]
    return ["--retries", "1", "--extra-index-url", TORCH_INDEX, pin]


def pip(env: Environment, arguments: list[str], what: str) -> None:
    """Install, showing pip's complaints as they come, and say what a failure means."""
    print(f"  installing {what} …", flush=True)
    command = [str(env.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    process = subprocess.Popen(
        command, cwd=env.root, env=env.variables(), stderr=subprocess.PIPE, encoding="utf-8", errors="replace"
    )
    with process:
        complaints = [line for line in process.stderr if show(line)]
    if process.returncode:
        offline = NETWORK_SIGNS.search("".join(complaints))
        raise SetupError((NO_NETWORK if offline else NO_PIP).format(what))


def show(line: str) -> bool:
    """Print one of pip's lines; always true. Notes on local folders that do not exist would only alarm."""
    if "is neither a file nor a directory" not in line:
        print("  " + line.rstrip(), file=sys.stderr, flush=True)
    return True


def write_stamp(env: Environment, wanted: dict) -> None:
    """Declare the environment complete, in one atomic step."""
    draft = env.stamp.with_suffix(".draft")
    draft.write_text(json.dumps(wanted, indent=1), encoding="utf-8")
    with contextlib.suppress(OSError):  # a crash of the machine must not leave an empty stamp
        with open(draft, "rb+") as file:
            os.fsync(file.fileno())
    os.replace(draft, env.stamp)
