"""Size and memory of the plugin, and its time to the first answer."""

import json
import re
import time
from pathlib import Path

from tools.plugin.contents import COMMAND
from tools.plugin.shell import run, works

FRACTION = 1_000_000  # bytes a megabyte


def memory(plugin: str) -> float | None:
    """Return the megabytes of all processes of the plugin, shared pages split; None when they cannot be seen."""
    pids = processes(plugin)
    parts = [_pss(pid) for pid in pids]
    return sum(parts) * 1024 / FRACTION if parts and all(parts) else None


def processes(plugin: str) -> list[int]:
    """Return the ids of the plugin's processes, found by the folder of plugins that the engine mounts into each."""
    ident = json.loads(run("docker", "plugin", "inspect", plugin))[0]["Id"]
    # The engine itself and containerd's shims see those mounts too, from outside.
    return [
        int(folder.name)
        for folder in Path("/proc").iterdir()
        if folder.name.isdigit() and COMMAND in _text(folder / "cmdline") and ident in _text(folder / "mountinfo")
    ]


def _pss(pid: int) -> int:
    match = re.search(r"^Pss: +(\d+) kB", _text(Path(f"/proc/{pid}/smaps_rollup")), re.MULTILINE)
    return int(match[1]) if match else 0


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def start(plugin: str) -> float:
    """Stop and start the plugin; return the seconds that ``docker plugin enable`` took, until it had answered."""
    run("docker", "plugin", "disable", "--force", plugin)
    begin = time.monotonic()
    run("docker", "plugin", "enable", plugin)
    return time.monotonic() - begin


def exists(plugin: str) -> bool:
    """Whether the engine has the plugin."""
    return works("docker", "plugin", "inspect", plugin)
