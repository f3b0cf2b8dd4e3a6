"""Plays the README's commands on a real engine and keeps what they print: ``make docs-recording``, as root.

The engine and pynet run in a throw-away host of the tests. ``make lint`` draws the transcript.
"""

import re
import subprocess
import sys

from tests.engine.lab import image, service
from tests.engine.lab.engines import obtain
from tests.engine.lab.host import REPOSITORY, Host
from tools.site.pictures import TRANSCRIPT
from tools.site.terminal import PROMPT

README = REPOSITORY / "README.md"
ENGINE = "28.5"


def commands() -> list[str]:
    """Return the lines that the README tells to type in another shell."""
    block = re.search(r"in another shell:\n\n```\n(.*?)```", README.read_text(), re.DOTALL)
    assert block is not None, "README.md has no commands for another shell"
    return block[1].splitlines()


def played(host: Host, line: str) -> str:
    """Return what a command printed, complaints included.

    Raises:
        CalledProcessError: it failed.
    """
    path = f"{REPOSITORY}/.venv/bin:/engine/usr/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    inside = ["nsenter", "-t", str(host.pid), "-m", "-n", "-u", "-i", "-p", "--", "env", "-i", f"PATH={path}"]
    shell = [*inside, "DOCKER_HOST=unix:///run/docker.sock", "HOME=/root", "sh", "-c", line]
    done = subprocess.run(shell, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True, timeout=60)
    return done.stdout


def main() -> int:
    """Write the transcript."""
    with Host(obtain(ENGINE)) as host:
        host.start_engine()
        image.load(host.docker)
        plugin = service.pynet(host)
        plugin.start()
        try:
            shown = "".join(f"{PROMPT}{line}\n{played(host, line)}" for line in commands())
        finally:
            plugin.stop()
    TRANSCRIPT.write_text(shown)
    print(shown, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
