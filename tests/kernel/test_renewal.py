"""A worker gives way to a fresh one while calls come in."""

import sys
import time
from pathlib import Path

from bench.load import Load
from tests.kernel.served import Served

PROGRAM = """
import os, pathlib
from cli.server import application, serve

def build(settings):
    app, sign = application.build(settings), pathlib.Path(settings.state_dir, "outgrown")
    app.extensions[application.OUTGROWN] = sign.exists
    return app

serve.run(build)
"""
PATIENCE = 30.0  # seconds for the next worker; it begins 10 s after a call


class Outgrown(Served):
    """A pynet whose workers are outgrown while a file says so."""

    program = (sys.executable, "-c", PROGRAM)


def test_calls_wait_while_a_fresh_worker_takes_over(tmp_path: Path) -> None:
    """All calls are answered, the log has a line, and the next worker removes what the first has made."""
    pynet, sign, until = Outgrown(tmp_path), tmp_path / "state" / "outgrown", time.monotonic() + PATIENCE
    try:
        pynet.start()
        load, before, answers = Load(pynet), pynet.pids, set[str]()
        load.grow(1)
        sign.touch()
        while pynet.pids[1:] in ([], before[1:]) and time.monotonic() < until:
            answers.add(pynet.call("NetworkDriver.GetCapabilities")["Scope"])
        sign.unlink()
        load.shrink()
        assert (pynet.pids[0], answers) == (before[0], {"local"})
        assert pynet.log.read_text().count("a fresh process takes over") == 1
    finally:
        pynet.kill()
