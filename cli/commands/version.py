"""``pynet version``: the versions of the parts that work together on this host."""

import os
import platform
from collections.abc import Mapping

from cli.client.serving import find_serving
from cli.engine.api import version_and_subnets
from cli.installation import commit, form, installed
from cli.server.answers import own_version
from plugin.errors import PynetError

_HEADS = {"command": "pynet command", "serving": "pynet, serving", "engine": "Docker Engine", "kernel": "kernel"}


def versions() -> dict[str, str]:
    """Return the versions of the command, the running pynet, the engine and the kernel; "" where nobody answers.

    For the command also the form of its installation, and the commit if it is of a release.
    """
    try:
        serving = str(find_serving(os.environ).about["Version"])
    except PynetError:
        serving = ""
    return {
        "command": own_version(),
        "form": form(installed()),
        "commit": commit(),
        "serving": serving,
        "engine": version_and_subnets()[0],
        "kernel": platform.release(),
    }


def as_text(found: Mapping[str, str]) -> str:
    """Return a line for each part."""
    origin = ", ".join(filter(None, [found["form"], found["commit"] and f"commit {found['commit'][:12]}"]))
    shown = {**found, "command": f"{found['command']} ({origin})" if origin else found["command"]}
    return "\n".join(f"{head + ':':16}{shown[key] or 'does not answer'}" for key, head in _HEADS.items())
