"""The units of systemd that serve pynet, where systemd runs."""

import subprocess
from pathlib import Path

UNITS = ("pynet.service", "pynet.socket")
RUNS = Path("/run/systemd/system")  # sd_booted(3)
PATIENCE = 5.0  # seconds for one process


def has_systemd(runs: Path = RUNS) -> bool:
    """Return whether systemd is the service manager of this host."""
    return runs.is_dir()


def failed_units(program: str = "systemctl") -> dict[str, str]:
    """Return the units that failed, and their results; nothing if systemd cannot be asked."""
    asked = [program, "show", "--property=Id,ActiveState,Result,ExecMainStatus", *UNITS]
    try:
        shown = subprocess.run(asked, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    units = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in shown.split("\n\n")]
    return {unit["Id"]: _why(unit) for unit in units if unit.get("ActiveState") == "failed"}


def _why(unit: dict[str, str]) -> str:
    status = unit.get("ExecMainStatus", "0")
    return unit.get("Result", "") + (f", exit code {status}" if status not in ("", "0") else "")
