"""Runs a command of pynet that writes the stacks of its threads to its log on ``SIGNAL``.

    python -m bench.watched .venv/bin/pynet serve     in the place of ``pynet serve``

A thread writes them that holds Python's lock: ``faulthandler`` reads frames that change meanwhile, and crashed pynet.
"""

import os
import runpy
import signal
import sys
import threading
import traceback

SIGNAL = signal.SIGRTMIN  # gunicorn uses none of the real-time signals


def start() -> None:
    """Start the thread that writes; a forked process has no threads of its parent."""
    threading.Thread(target=_write_stacks, name="stacks", daemon=True).start()


def _write_stacks() -> None:
    while signal.sigwait({SIGNAL}):
        names = {thread.ident: f"{thread.name} {thread.native_id}" for thread in threading.enumerate()}
        for identity, frame in sys._current_frames().items():  # noqa: SLF001 - Python's one way to other threads
            stack = "".join(traceback.format_stack(frame))
            print(f"thread {names.get(identity)}\n{stack}", file=sys.stderr, flush=True)


def main() -> None:
    """Run the command in this process; all its threads, and its worker's, inherit the mask of signals."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {SIGNAL})
    os.register_at_fork(after_in_child=start)
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
