"""The engine's side: create or upgrade, enable, remove, and print the figures of the plugin."""

from tools.plugin import build, figures
from tools.plugin.build import Built
from tools.plugin.registry import served
from tools.plugin.shell import complaint, fail, run, say, works

# Not "pynet": the engine would find the managed plugin under that name and then know no driver of it, as its driver is
# called "pynet:latest". The driver "pynet" is found by the socket in the folder of plugins instead.
NAME, DRIVER = "pynetd", "pynet"


def install(built: Built) -> None:
    """Give the plugin to the engine; one that is there is upgraded, networks or not."""
    if figures.exists(NAME):
        _upgrade(built)
    else:
        say("docker plugin create")
        run("docker", "plugin", "create", NAME, built.folder)
    _enable()


def _upgrade(built: Built) -> None:
    """Put another root file system under the same plugin: its id, settings, state and count of networks stay."""
    say("docker plugin upgrade; containers keep talking meanwhile")
    if _enabled():
        run("docker", "plugin", "disable", "--force", NAME)
    with served(built.plugin, NAME) as reference:
        words = ("--skip-remote-check", "--grant-all-permissions", NAME, f"{reference}:latest")
        refusal = complaint("docker", "plugin", "upgrade", *words, timeout=300)
    if refusal:
        _enable()
        fail(f"'docker plugin upgrade' failed, and the plugin is as it was: {refusal}")


def _enable() -> None:
    if not works("docker", "plugin", "enable", NAME):
        fail(
            f"'docker plugin enable {NAME}' failed; the reason is a line with 'Error:' and 'plugin=' in the engine's "
            "log (journalctl -u docker)"
        )


def _enabled() -> bool:
    return run("docker", "plugin", "inspect", "--format", "{{.Enabled}}", NAME) == "true"


def remove() -> None:
    """Disable and remove the plugin; refused while networks of it are there.

    The engine counts those of the driver "pynetd:latest" only, and only since its own start, so this looks for itself.
    """
    used = [name for driver in (DRIVER, f"{NAME}:latest") for name in _networks(driver)]
    if used:
        fail(f"the plugin is not removed: it has the networks {', '.join(used)}")
    if _enabled():
        run("docker", "plugin", "disable", NAME)
    run("docker", "plugin", "rm", NAME)


def _networks(driver: str) -> list[str]:
    return run("docker", "network", "ls", "--filter", f"driver={driver}", "--format", "{{.Name}}").split()


def say_figures(*, restart: bool = False) -> None:
    """Print size, memory and start time of the plugin."""
    built = build.build()
    say(f"root file system {built.size / 1e6:.1f} MB, compressed {built.compressed / 1e6:.1f} MB, {built.digest}")
    if restart:
        say(f"start to answer {figures.start(NAME):.2f} s")
    used = figures.memory(NAME)
    say(f"memory {used:.1f} MB (PSS of all its processes)" if used else "memory: its processes are on another machine")
    say("try: docker network create --driver pynet web")
