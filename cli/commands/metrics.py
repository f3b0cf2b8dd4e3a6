"""``pynet metrics``: the metrics of the running pynet as text, or in a file for node_exporter."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from cli.client.serving import Question, fetch, find_serving
from cli.exit_codes import BadUsage
from handlers.routes import METRICS
from netlink.errors import reason
from plugin.errors import Failed

SUFFIX = ".prom"  # node_exporter reads no other files
READABLE = 0o644  # node_exporter does not run as root


def page() -> str:
    """Return the metrics of the running pynet; raises ``PynetError`` if none runs or it does not answer."""
    return fetch(find_serving(os.environ).socket, Question("GET", METRICS)).decode()


def check_file(path: Path) -> None:
    """Refuse a path that node_exporter would not read; raises ``BadUsage``."""
    if path.suffix != SUFFIX:
        raise BadUsage(f"write metrics to '{path}': node_exporter reads files whose names end with {SUFFIX}")


def write_file(path: Path, text: str) -> None:
    """Replace the file at once, so that a reader sees either all of the old text or all of the new one.

    Raises:
        Failed: it cannot be written; the old file stays as it is.
    """
    temporary = ""
    try:
        # The name begins with a dot and does not end with .prom: node_exporter does not read it.
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "w") as file:
            file.write(text)
            os.fchmod(handle, READABLE)
        Path(temporary).replace(path)
    except OSError as error:
        with suppress(OSError):
            Path(temporary).unlink()
        raise Failed(f"write metrics to '{path}': {reason(error)}") from error
