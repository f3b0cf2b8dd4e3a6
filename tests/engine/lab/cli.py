"""The ``docker`` command as a callable."""

import json
from pathlib import Path
from typing import Any

from tests.engine.lab.shell import CommandFailed, run


class Docker:
    """``docker("network", "ls")`` returns what the command printed; a failure raises with what it complained about."""

    def __init__(self, client: Path, socket: Path, home: Path) -> None:
        self.client = client
        self._env = {
            "DOCKER_HOST": f"unix://{socket}",
            "DOCKER_CONFIG": str(home),
            "HOME": str(home),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        }

    def __call__(self, *argv: str, stdin: bytes = b"") -> str:
        """Run ``docker`` with these arguments.

        Raises:
            CommandFailed: it ended with a status other than 0.
        """
        return run(self.client, *argv, stdin=stdin, env=self._env)

    def fails(self, *argv: str) -> str:
        """Run ``docker``, which has to fail, and return its complaint.

        Raises:
            AssertionError: it did not fail.
        """
        try:
            output = self(*argv)
        except CommandFailed as failure:
            return failure.stderr
        raise AssertionError(f"docker {' '.join(argv)} did not fail: {output}")

    def inspect(self, kind: str, name: str) -> dict[str, Any]:
        """``docker KIND inspect NAME`` decoded; ``kind`` is network or container."""
        found: list[dict[str, Any]] = json.loads(self(kind, "inspect", name))
        return found[0]
