"""One JupyterLab and one Chromium for all tests of this folder, with configuration and data of their own."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest

ROOT = pathlib.Path(__file__).parents[2]
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


def _absent(what):
    if os.environ.get("CI"):
        pytest.fail(f"{what} must be installed where CI is set")
    pytest.skip(f"{what} is not installed")


def _chromium():
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def _environment(folder):
    settings = folder / "settings/@jupyterlab/apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(
        json.dumps({"fetchNews": "false", "checkForUpdates": False}), encoding="utf-8"
    )
    tracker = folder / "settings/@jupyterlab/notebook-extension"
    tracker.mkdir(parents=True)  # all cells in the page: JupyterLab's list of the visible ones can trip
    (tracker / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}', encoding="utf-8")
    own = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    own |= {
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "spaces"),
        "IPYTHONDIR": str(folder / "ipython"),
        "OMP_NUM_THREADS": "1",
    }
    paths = [str(ROOT), str(ROOT / "widgets"), str(ROOT / "book"), os.environ.get("PYTHONPATH", "")]
    return os.environ | own | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _wait_for(url, process):
    for _ in range(600):
        try:
            return urllib.request.urlopen(url + "/api/status", timeout=5)
        except OSError:
            assert process.poll() is None, "JupyterLab ended at its start"
            time.sleep(0.1)
    raise AssertionError("JupyterLab did not answer within a minute")


class Server:
    """A running JupyterLab: its address and the folder whose notebooks it shows."""

    def __init__(self, url, folder):
        self.url, self.folder = url, folder

    def notebook(self, name, cells):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self.folder / name)
        return name


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    if not shutil.which("jupyter-lab", path=str(pathlib.Path(sys.executable).parent)):
        _absent("JupyterLab")
    folder, home = tmp_path_factory.mktemp("notebooks"), tmp_path_factory.mktemp("home")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "jupyterlab",
            "--allow-root",
            "--no-browser",
            "--ip=127.0.0.1",
            f"--port={port}",
            "--IdentityProvider.token=",
            "--ServerApp.disable_check_xsrf=True",
            f"--ServerApp.root_dir={folder}",
            "--LabApp.expose_app_in_browser=True",
        ],
        env=_environment(home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}", process)
        yield Server(f"http://127.0.0.1:{port}", folder)
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="session")
def browser():
    path = _chromium()
    if not path:
        _absent("Chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def context(browser):
    """One context for all notebooks: JupyterLab's scripts are fetched and compiled once."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    yield context
    context.close()


READY = """name => { const w = window.jupyterapp && window.jupyterapp.shell.currentWidget;
  return w && w.context && w.context.path === name && w.sessionContext && w.sessionContext.session && w.sessionContext.session.kernel
    && w.sessionContext.session.kernel.status === 'idle'; }"""
RUN = """i => { const nb = window.jupyterapp.shell.currentWidget.content; nb.activeCellIndex = i; nb.deselectAll();
  window.jupyterapp.commands.execute('notebook:run-cell'); return null; }"""


class Notebook:
    """A notebook open in JupyterLab."""

    def __init__(self, page):
        self.page = page

    def clear(self):
        """Take all outputs off the page; the kernel goes on."""
        self.page.evaluate(
            "() => window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs').then(() => null)"
        )

    def run(self, cell):
        self.page.evaluate(RUN, cell)

    def run_all(self, seconds=120):
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); return null; }")
        self.page.wait_for_function(
            "() => window.jupyterapp.shell.currentWidget.content.model.cells.length && "
            "[...window.jupyterapp.shell.currentWidget.content.widgets].every(c => c.model.type !== 'code' || "
            "!c.model.sharedModel.source.trim() || c.model.executionCount)",
            timeout=1000 * seconds,
        )

    def outputs(self):
        """The outputs of all code cells, as JSON."""
        return self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.content.widgets.filter(c => c.model.type === 'code')"
            ".map(c => c.model.outputs.toJSON())"
        )

    def text(self, cell):
        """What a cell printed, once it has printed."""
        self.page.wait_for_function(
            "i => window.jupyterapp.shell.currentWidget.content.widgets[i].model.outputs.length > 0", arg=cell
        )
        return "".join(
            o.get("text", "")
            for o in self.page.evaluate(
                "i => window.jupyterapp.shell.currentWidget.content.widgets[i].model.outputs.toJSON()", cell
            )
        )

    def run_until(self, cell, text, seconds=20):
        """Run a cell again until it prints ``text``: messages of the page may still be on their way."""
        end = time.monotonic() + seconds
        while True:
            before = self.count(cell)
            self.run(cell)
            self.page.wait_for_function(
                "([i, n]) => window.jupyterapp.shell.currentWidget.content.widgets[i].model.executionCount > n",
                arg=[cell, before],
            )
            said = self.text(cell).strip()
            if said == text:
                return
            assert time.monotonic() < end, said

    def count(self, cell):
        return self.page.evaluate(
            "i => window.jupyterapp.shell.currentWidget.content.widgets[i].model.executionCount || 0", cell
        )


class Lab:
    """One page of JupyterLab for all tests: it is loaded with the first notebook, and the others open in it."""

    OPEN = "async path => { await window.jupyterapp.commands.execute('docmanager:open', { path }); return null; }"
    CLOSE = """async () => { for (const widget of [...window.jupyterapp.shell.widgets('main')]) widget.dispose();
      await window.jupyterapp.serviceManager.sessions.shutdownAll(); return null; }"""

    def __init__(self, url, context):
        self.url, self.context, self.page, self.errors = url, context, None, []

    def open(self, name):
        """A notebook file of the server's folder, with a kernel that is ready."""
        if self.page is None:
            self.page = self.context.new_page()
            self.page.set_default_timeout(90_000)
            self.page.on("pageerror", lambda error: self.errors.append(str(error)))
            self.page.goto(f"{self.url}/lab/tree/{name}?reset", wait_until="domcontentloaded")
        else:
            self.page.evaluate(self.OPEN, name)
        self.page.wait_for_function(READY, arg=name)
        return Notebook(self.page)

    def close(self):
        """End all notebooks and their kernels."""
        self.page.evaluate(self.CLOSE)
        self.check()

    def check(self):
        """No error may have come in the page since the last look."""
        errors, self.errors[:] = list(self.errors), []
        assert errors == []


@pytest.fixture(scope="session")
def lab_page(server, context):
    return Lab(server.url, context)


@pytest.fixture
def open_notebook(lab_page):
    """Open a notebook for one test; no page error may come."""
    yield lab_page.open
    lab_page.close()
