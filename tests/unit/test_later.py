"""Modules that a serving pynet does not load, so that it stays small."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cli.server.later import load_later

SERVING = """
import sys
from cli.server.later import load_later
load_later()
import cli.server.serve, gunicorn.app.base, gunicorn.arbiter, cli.server.worker
parent = set(sys.modules)
import cli.server.application
for names in (parent, set(sys.modules)):
    print(*(name for name in names if sys.modules[name] and "_Later" not in str(type(sys.modules[name]))))
"""
COMMANDS = {"click", "cli.main", "cli.command_line", "flask", "plugin.driver"}
NOBODYS = {
    "argparse",
    "asyncio",
    "difflib",
    "html",
    "importlib.metadata",
    "kazoo",
    "logging.handlers",
    "marshmallow.validate",
    "pyroute2",
    "rich",
    "dns",
}


def test_a_serving_process_loads_no_module_that_it_does_not_use() -> None:
    """The parent knows no commands and no verbs, the worker nothing that its libraries only might use."""
    lines = subprocess.run([sys.executable, "-c", SERVING], capture_output=True, text=True, check=True).stdout
    parent, worker = map(set[str], map(str.split, lines.splitlines()))

    assert parent & (COMMANDS | NOBODYS) == set()
    assert worker & NOBODYS == set()


def test_a_module_is_loaded_once_when_threads_use_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is loaded by an import; then all threads see the whole module."""
    (tmp_path / "seldom.py").write_text("import time\nLOADED = [1]\ntime.sleep(0.05)\nVALUE = object()\n")
    monkeypatch.syspath_prepend(tmp_path)
    load_later(["seldom"], ["refused"])
    import seldom  # type: ignore[import-not-found]

    assert "VALUE" not in vars(seldom)
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(seldom.VALUE)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), len(set(found)), sys.modules.pop("seldom").LOADED) == (8, 1, [1])


def test_a_module_of_called_functions_is_loaded_by_the_first_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import of a function loads nothing, and the function does what that of the module does."""
    (tmp_path / "asked.py").write_text("def double(number):\n    return 2 * number\n")
    monkeypatch.syspath_prepend(tmp_path)
    load_later([], [], {"asked": ["double"]})
    from asked import double  # type: ignore[import-not-found]

    assert "_Later" in str(type(sys.modules["asked"]))
    assert (double(4), double(5), "_Later" in str(type(sys.modules.pop("asked")))) == (8, 10, False)


def test_requests_are_read_without_marshmallows_validators() -> None:
    """They judge their fields themselves, so the first request does not wait for the validators to load."""
    code = (
        "import sys; from cli.server.later import load_later; load_later(); from handlers.schemas import network\n"
        "body = {'NetworkID': 'a', 'Options': {}, 'IPv4Data': [{'Pool': '10.0.0.0/8', 'Gateway': '10.0.0.1/8'}]}\n"
        "network.CreateNetworkRequest().load(body); print(type(sys.modules['marshmallow.validate']).__name__)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "_Later\n"


def test_an_optional_library_counts_as_absent() -> None:
    """A library that would use it does without."""
    load_later([], ["refused"])
    with pytest.raises(ImportError):
        import refused  # type: ignore[import-not-found]  # noqa: F401
    del sys.modules["refused"]


def test_serving_leaves_out_the_command_line() -> None:
    """Both processes would keep it; other words go to the commands."""
    env = {"PYNET_LOG_LEVEL": "loud"}
    start = [sys.executable, "-X", "importtime", "-c", "from cli.start import main; main()"]
    serve = subprocess.run([*start, "serve"], capture_output=True, text=True, check=False, env=env)
    helped = subprocess.run([*start, "serve", "--help"], capture_output=True, text=True, check=False)

    assert (serve.returncode, "PYNET_LOG_LEVEL" in serve.stderr, "| click" in serve.stderr) == (78, True, False)
    assert (helped.returncode, "Usage: pynet serve" in helped.stdout) == (0, True)
