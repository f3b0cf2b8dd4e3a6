"""Reads the rules of iptables-legacy, which nftables cannot see, and only where the kernel has its tables."""

import subprocess
from pathlib import Path

PROGRAMS = {4: "iptables-legacy", 6: "ip6tables-legacy"}
TABLES = {4: Path("/proc/thread-self/net/ip_tables_names"), 6: Path("/proc/thread-self/net/ip6_tables_names")}
PATIENCE = 5.0  # seconds for one process


def drops_forwarded(version: int, prefix: str) -> bool:
    """Return whether the FORWARD chain of IP ``version`` (4 or 6) drops by default and accepts no link ``prefix``."""
    return _drops(version, "FORWARD", f"-i {prefix}")


def drops_received(version: int, port: int) -> bool:
    """Return whether the INPUT chain of IP ``version`` (4 or 6) drops by default and accepts no UDP ``port``."""
    return _drops(version, "INPUT", f"--dport {port}")


def _drops(version: int, chain: str, words: str) -> bool:
    """Return whether a chain has the policy DROP and no rule with ``words`` that accepts.

    The program runs only if the kernel has the table already, as running it would make the table.
    """
    try:
        if "filter" not in TABLES[version].read_text().split():
            return False
        asked = [PROGRAMS[version], "-w", "2", "-S"]
        listing = subprocess.run(asked, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    lines = listing.splitlines()
    return f"-P {chain} DROP" in lines and not any(f"{words} " in line and "-j ACCEPT" in line for line in lines)
