"""Counts the files of plugin/ that each verb enters, and the moves between them: ``python -m tools.hops [VERB]``.

Each verb runs against the fakes of the unit tests. A move is made when a function is called in another file of plugin/
than the function called before it, as by a reader who follows the calls with a finger. netlink/ and the fakes do not
count. The last column leaves out plugin/store/ too. With VERB the calls of that verb are printed, a line for each stay.
"""

import sys
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import Any

from tests.fakes import World
from tests.unit import requests as rq

PLUGIN = str(Path(__file__).parent.parent / "plugin") + "/"


def trace(verb: Any, *request: Any) -> list[tuple[str, str]]:
    """Return file and name of the functions of plugin/ that are called, without dunder methods and comprehensions."""
    calls: list[tuple[str, str]] = []
    begun: set[FrameType] = set()  # a generator that goes on is no new call

    def note(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(PLUGIN) and frame not in begun:
            begun.add(frame)
            if not code.co_name.startswith(("<", "__")):
                calls.append((code.co_filename.removeprefix(PLUGIN), code.co_name))

    sys.setprofile(note)
    verb(*request)
    sys.setprofile(None)
    return calls


def main(only: str = "") -> None:
    """Print one line a verb, in the order of a container's life."""
    world = World()
    driver = world.driver
    for verb, *request in (
        (driver.create_network, rq.network()),
        (driver.create_endpoint, rq.endpoint()),
        (driver.join, rq.join()),
        (driver.program_external_connectivity, rq.program(8080)),
        (driver.leave, rq.ENDPOINT),
        (driver.delete_endpoint, rq.ENDPOINT),
        (driver.delete_network, rq.NETWORK),
        (world.bury,),  # the deferred part of both removals
    ):
        name, calls = verb.__name__, trace(verb, *request)
        way = [(file, [call[1] for call in stay]) for file, stay in groupby(calls, lambda call: call[0])]
        outside = list(groupby(file for file, _ in way if not file.startswith("store/")))
        files = f"{len({file for file, _ in way}):3} files {len(calls):4} calls"
        print(f"{name:<29} {files} {len(way) - 1:4} moves {len(outside) - 1:4} outside of store/")
        for file, names in way if name == only else ():
            print(f"    {file}: {' '.join(names)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
