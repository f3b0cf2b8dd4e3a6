"""Prints the VXLAN frames on a link as JSON: ``listen.py LINK`` prints "ready", and the frames when its input ends."""

import json
import sys

from tests.kernel.capture import Capture


def main(link: str) -> None:
    """Capture until the input ends."""
    with Capture(link) as capture:
        print("ready", flush=True)
        sys.stdin.read()
        frames = capture.tunnelled()
        rows = [[frame.vni, frame.to, frame.kind, frame.outer_length] for frame in frames]
        print(json.dumps({"frames": rows, "fragments": capture.fragments}))


if __name__ == "__main__":
    main(sys.argv[1])
