"""run.py's environment: complete or made anew, never half-used, with clear words where something is missing."""

import json
import os
import subprocess
import sys
import threading
import time
import venv

import pytest

from tools import environment
from tools.environment import Environment, SetupError, ensure
from tools.lock import only_one


@pytest.fixture
def pips(monkeypatch):
    """Record pip's calls instead of installing 2 GB; a test may make one fail."""
    calls, failing = [], {}

    def pip(env, arguments, what):
        calls.append((what, arguments))
        if what in failing:
            raise failing[what]

    monkeypatch.setattr(environment, "pip", pip)
    monkeypatch.setattr(environment, "create", bare)
    return calls, failing


def change(env, name, old, new):
    text = (env.root / name).read_text(encoding="utf-8")
    assert old in text
    (env.root / name).write_text(text.replace(old, new), encoding="utf-8")


def bare(env):
    """A real environment, without pip: made in a moment."""
    venv.create(env.folder, with_pip=False)


def test_first_call_makes_it_and_the_second_does_nothing(env, pips):
    calls, _ = pips
    assert ensure(env) == "absent"
    assert [what for what, _ in calls] == ["PyTorch", "the book's packages"]
    assert ensure(env) == "ready"
    assert len(calls) == 2


def test_second_call_takes_no_time(env, pips):
    ensure(env)
    started = time.perf_counter()
    ensure(env)
    assert time.perf_counter() - started < 2


def test_an_interrupted_set_up_is_made_anew(env, pips, monkeypatch):
    def killed(env, cuda):
        (env.folder / "half").touch()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(environment, "install", killed)
        with pytest.raises(KeyboardInterrupt):
            ensure(env)
    assert env.state() == "broken"
    assert ensure(env) == "broken"
    assert env.state() == "ready" and not (env.folder / "half").exists()


def test_a_set_up_killed_before_python_was_there_is_made_anew(env, pips):
    env.folder.mkdir()
    env.owner.touch()
    assert ensure(env) == "broken"
    assert env.state() == "ready"


def test_a_torn_stamp_counts_as_none(env, pips):
    ensure(env)
    env.stamp.write_text(env.stamp.read_text(encoding="utf-8")[:20], encoding="utf-8")
    assert env.state() == "broken"


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [("pyproject.toml", '"numpy>=2.0"', '"numpy>=2.1"'), ("constraints.txt", "numpy==2.", "numpy==3.")],
)
def test_changed_requirements_are_installed_in_place(env, pips, name, old, new):
    calls, _ = pips
    ensure(env)
    (env.folder / "kept").touch()
    change(env, name, old, new)
    assert ensure(env) == "stale"
    assert env.state() == "ready" and (env.folder / "kept").exists() and len(calls) == 4


def test_settings_of_tools_need_no_installation(env, pips):
    ensure(env)
    change(env, "pyproject.toml", "line-length = 120", "line-length = 100")
    assert env.state() == "ready"


def test_its_python_starts_in_any_folder_under_any_encoding(env, pips, monkeypatch):
    def pip(env, arguments, what):
        [site] = env.folder.rglob("site-packages")
        paths = [env.root, env.root / "book", env.root / "widgets"]
        (site / "_learning_rates.pth").write_text("\n".join(map(str, paths)), encoding="utf-8")

    monkeypatch.setattr(environment, "pip", pip)
    ensure(env)
    plain = {
        **os.environ,
        "PYTHONUTF8": "0",
        "LC_ALL": "C",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "utf-8:surrogateescape",
    }
    for name in ("book", "widgets"):
        (env.root / name).mkdir()
    show = "import sys; print(*sys.path, sep='\\n')"
    done = subprocess.run([env.python, "-c", show], env=plain, capture_output=True)
    assert done.returncode == 0, done.stderr
    found = {os.path.normpath(line) for line in done.stdout.decode("utf-8").splitlines()}
    assert {str(env.root), str(env.root / "book"), str(env.root / "widgets")} <= found


def test_windows_line_ends_change_nothing(env, pips):
    ensure(env)
    path = env.root / "constraints.txt"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert env.state() == "ready"


def test_a_failed_update_leaves_the_old_environment_to_be_updated_again(env, pips):
    _, failing = pips
    ensure(env)
    change(env, "constraints.txt", "torch==", "# a word\ntorch==")
    failing["the book's packages"] = SetupError("no network")
    with pytest.raises(SetupError, match="no network"):
        ensure(env)
    assert env.state() == "stale"
    failing.clear()
    ensure(env)
    assert env.state() == "ready"


def test_an_interrupted_update_is_made_anew(env, pips):
    _, failing = pips
    ensure(env)
    change(env, "constraints.txt", "torch==", "# a word\ntorch==")
    failing["the book's packages"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        ensure(env)
    assert env.state() == "broken"


def test_a_moved_environment_is_noticed(env, pips):
    ensure(env)
    moved = env.root.with_name("引っ越し先 2")
    env.root.rename(moved)
    assert Environment(moved).state() == "broken"
    ensure(Environment(moved))
    assert Environment(moved).state() == "ready"


def test_an_environment_whose_python_is_gone_is_made_anew(env, pips):
    ensure(env)
    env.python.unlink()
    assert env.state() == "broken"


def test_a_folder_that_run_py_did_not_make_is_left_alone(env, pips):
    env.folder.mkdir()
    (env.folder / "mine").touch()
    with pytest.raises(SetupError, match="did not make it"):
        ensure(env)
    assert (env.folder / "mine").exists()


def test_cuda_is_remembered(env, pips, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    calls, _ = pips
    ensure(env, cuda=True)
    assert env.state() == "ready" and env.state(cuda=True) == "ready"
    assert all("--extra-index-url" not in arguments for _, arguments in calls)


def test_asking_for_cuda_later_makes_it_anew(env, pips):
    ensure(env)
    assert env.state(cuda=True) == "broken"


@pytest.mark.parametrize(
    ("platform", "cuda", "off", "indexed"),
    [
        ("linux", False, "", True),
        ("linux", False, "1", False),
        ("linux", True, "", False),
        ("darwin", False, "", False),
        ("win32", False, "", False),
    ],
)
def test_pytorch_comes_from_the_cpu_index_on_linux_only(env, monkeypatch, platform, cuda, off, indexed):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("LR_NO_TORCH_INDEX", off)
    arguments = environment.torch_arguments(env.root, cuda)
    assert arguments[-1] == "torch==2.13.0"
    assert (environment.TORCH_INDEX in arguments) is indexed
    assert ("--retries" in arguments) is indexed


def test_cuda_elsewhere_is_explained(env, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(SetupError, match="PIP_EXTRA_INDEX_URL"):
        environment.torch_arguments(env.root, cuda=True)


def test_missing_ensurepip_is_explained(env, monkeypatch):
    def fail(folder, with_pip):
        raise subprocess.CalledProcessError(1, ["python", "-m", "ensurepip"])

    monkeypatch.setattr(venv, "create", fail)
    with pytest.raises(SetupError, match="sudo apt install python3-venv"):
        ensure(env)
    assert env.state() == "broken"


def test_missing_venv_is_explained(env, monkeypatch):
    monkeypatch.setitem(sys.modules, "venv", None)
    with pytest.raises(SetupError, match="python3-venv"):
        ensure(env)


def test_two_calls_at_once_set_up_once(env, pips, monkeypatch):
    calls, _ = pips
    slow = environment.install

    def install(env, cuda):
        time.sleep(0.3)
        slow(env, cuda)

    monkeypatch.setattr(environment, "install", install)
    threads = [threading.Thread(target=ensure, args=(env,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 2


def test_the_lock_is_free_after_an_error(tmp_path):
    with pytest.raises(RuntimeError), only_one(tmp_path / "lock"):
        raise RuntimeError
    with only_one(tmp_path / "lock"):
        pass


def test_without_a_network_the_message_says_so_and_nothing_is_half_used(checkout):
    """The whole command, with an index that nobody serves: a real environment, real pip, a dead address."""
    offline = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
    offline |= {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_RETRIES": "0",
        "PIP_NO_CACHE_DIR": "1",
        "LR_NO_TORCH_INDEX": "1",
    }
    done = subprocess.run(
        [sys.executable, "run.py", "setup"],
        cwd=checkout,
        env=offline,
        capture_output=True,
        encoding="utf-8",
        timeout=600,
    )
    assert done.returncode == 1
    assert "Is this machine online?" in done.stderr and "Traceback" not in done.stderr
    assert Environment(checkout).state() == "broken"


def test_its_programs_run_in_utf_8_and_see_no_foreign_packages(env, pips, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    ensure(env)
    code = "import json, locale, sys; print(json.dumps([locale.getpreferredencoding(False), sys.path, sys.prefix]))"
    done = subprocess.run([env.python, "-c", code], env=env.variables(), capture_output=True, encoding="utf-8")
    encoding, path, prefix = json.loads(done.stdout)
    assert encoding.lower() == "utf-8" and "/somewhere" not in path
    assert os.path.samefile(prefix, env.folder)
