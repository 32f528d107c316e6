"""`run.py lab`: JupyterLab on the reader's own copy of the notebooks."""

import locale
import os
import signal
import subprocess
import sys

from .environment import Environment
from .reader import FOLDER, sync


def start(env: Environment, arguments: list[str], browser: bool) -> int:
    """Copy what is new, open JupyterLab, and stay until it ends or Ctrl-C ends it."""
    for line in sync(env.root):
        print(line)
    if browser and not has_display():
        browser = False
        print("No display here: open the address that JupyterLab prints in a browser that reaches this machine.")
    print("JupyterLab starts; Ctrl-C here ends it.", flush=True)
    process = subprocess.Popen(command(env, arguments, browser), cwd=env.root, env=env.variables())
    return wait(process)


def command(env: Environment, arguments: list[str], browser: bool) -> list[str]:
    """JupyterLab's command line; the reader's own arguments come last and win."""
    return [
        str(env.python),
        "-m",
        "jupyterlab",
        f"--ServerApp.root_dir={env.root / FOLDER}",
        f"--LabApp.default_url=/lab/tree/{language()}/index.ipynb",
        "--ServerApp.answer_yes=True",
        *(["--allow-root"] if is_root() else []),
        *([] if browser else ["--no-browser"]),
        *arguments,
    ]


def language() -> str:
    """The edition to open: Japanese where the system speaks Japanese."""
    spoken = os.environ.get("LC_ALL") or os.environ.get("LANG") or locale.getlocale()[0] or ""
    return "ja" if spoken.lower().startswith(("ja", "japanese")) else "en"


def is_root() -> bool:
    """Whether this is root, as in most containers; JupyterLab, which listens on this machine only, wants a nod."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def has_display() -> bool:
    """Whether a browser can be opened from here."""
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def wait(process: subprocess.Popen) -> int:
    """Wait for the end; a Ctrl-C reaches JupyterLab too, which then leaves by itself."""
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        return process.wait()
    except KeyboardInterrupt:
        try:
            process.wait(timeout=15)
        except (KeyboardInterrupt, subprocess.TimeoutExpired):
            process.terminate()
            process.wait()
        print("\nJupyterLab has ended.")
        return 0
