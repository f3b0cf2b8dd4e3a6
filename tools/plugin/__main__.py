"""Builds the managed plugin and gives it to the engine; called by ``make plugin``.

python3 -m tools.plugin              build, install or upgrade, enable, and say what it weighs
python3 -m tools.plugin fetch        only bring here what needs a network
python3 -m tools.plugin build        only build ``build/plugin``; "build anew" does so whatever is there already
python3 -m tools.plugin figures      sizes, memory and time to start of what is there; restarts the plugin
python3 -m tools.plugin remove       disable and remove it, with its state
"""

import sys

from tools.plugin import build, engine
from tools.plugin.shell import fail, say

COMMANDS = ("install", "fetch", "build", "figures", "remove")


def main(command: str, *words: str) -> None:
    """Carry out one of ``COMMANDS``."""
    if command != "fetch":
        engine.check()
    match command:
        case "fetch":
            build.fetch()
        case "build":
            say(f"built {build.build(anew=bool(words)).digest}")
        case "install":
            engine.install()
        case "figures":
            engine.say_figures(build.build(), restart=True)
        case "remove":
            engine.remove()
        case _:
            fail(f"'{command}' is none of {', '.join(COMMANDS)}")


if __name__ == "__main__":
    main(*sys.argv[1:] or ["install"])
