"""Begins ``pynet``. The process that serves never loads the command line: that would cost it 5 MB and 60 ms."""

import sys

SERVE = ["serve"]


def main() -> None:
    """Serve, or carry out another command."""
    if sys.argv[1:] == SERVE:
        _serve()
    else:
        from cli.main import main as command

        command(prog_name="pynet")


def _serve() -> None:
    import traceback

    from cli.exit_codes import DEFECT, INTERRUPTED
    from cli.server.serve import run

    try:
        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception:  # noqa: BLE001 - Python's own exit code is 1, which means a finding
        traceback.print_exc()
        sys.exit(DEFECT)
