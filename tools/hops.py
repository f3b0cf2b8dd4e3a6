"""Counts the files of plugin/ that each verb enters, and the moves between them.

    .venv/bin/python -m tools.hops [VERB]

Each verb runs against the fakes of the unit tests. A move is made when a function is called in another file of plugin/
than the function called before it, as by a reader who follows the calls with a finger. What runs in netlink/ and in the
fakes does not count. With VERB its calls are printed too, in order, one line for each stay in a file.
"""

import sys
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import Any

from tests.fakes import World
from tests.unit import requests as rq

PLUGIN = str(Path(__file__).parent.parent / "plugin") + "/"


class Walk:
    """The functions of plugin/ that are called in the block, in order, each with its file."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self._begun: set[FrameType] = set()  # a generator that goes on is no new call

    def __enter__(self) -> "Walk":
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(PLUGIN) and not code.co_name.startswith(("<", "__")):
            if frame in self._begun:
                return
            self._begun.add(frame)
            self.calls.append((code.co_filename.removeprefix(PLUGIN), code.co_name))

    def stays(self) -> list[tuple[str, list[str]]]:
        """Return each stay in a file, with the functions called during it."""
        return [(file, [name for _, name in calls]) for file, calls in groupby(self.calls, lambda call: call[0])]


def main(only: str = "") -> None:
    """Print one line a verb."""
    world = World()
    driver = world.driver
    steps = {
        "CreateNetwork": lambda: driver.create_network(rq.network()),
        "CreateEndpoint": lambda: driver.create_endpoint(rq.endpoint()),
        "Join": lambda: driver.join(rq.join()),
        "Program": lambda: driver.program_external_connectivity(rq.program(8080)),
        "Revoke": lambda: driver.revoke_external_connectivity(rq.ENDPOINT),
        "Leave": lambda: driver.leave(rq.ENDPOINT),
        "DeleteEndpoint": lambda: driver.delete_endpoint(rq.ENDPOINT),
        "DeleteNetwork": lambda: driver.delete_network(rq.NETWORK),
        "deferred": world.bury,
    }
    for verb, call in steps.items():
        with Walk() as walk:
            call()
        stays = walk.stays()
        files = {file for file, _ in stays}
        print(f"{verb:<15} {len(files):3} files {len(walk.calls):4} calls {len(stays) - 1:4} moves")
        for file, names in stays if verb == only else ():
            print(f"    {file}: {' '.join(names)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
