"""The engine's side: install or upgrade, enable, remove, and print the figures of the plugin."""

import json
import socket

from cli.settings import Settings
from tools.plugin import base, build, config, figures
from tools.plugin.build import Built
from tools.plugin.registry import served
from tools.plugin.shell import complaint, fail, run, say, step, works

# The driver of a plugin is called like the plugin, tag and all. A plugin "pynet:latest" would hide the driver "pynet":
# the engine looks for a plugin of that name first, and then knows no driver of it. With another tag it goes on to the
# socket in the folder of plugins (moby, plugin/store.go: Get).
NAME, DRIVER = "pynet:managed", "pynet"
FORMER = "pynetd:latest"  # its name up to version 0.1


def check() -> None:
    """End with a sentence if no engine answers."""
    if refusal := complaint("docker", "version"):
        fail(f"Docker Engine is needed and does not answer ('make setup' as root installs it): {refusal}")


def install() -> None:
    """Give the plugin to the engine; one that is there is upgraded, networks or not, unless it is the same already."""
    name = installed()
    if not (name and _enabled(name)) and _someone_serves():
        fail(
            "pynet serves on this host already, as a service or by 'make run'; a plugin beside it could not serve. "
            "End that one first: systemctl disable --now pynet.socket pynet.service"
        )
    built = build.build()
    if name == FORMER and not networks():
        _replace(built)
    elif not name:
        _create(built)
    elif _layer(name) != built.layer:
        _upgrade(name, built)
    elif _enabled(name):
        say(f"'{name}' is up to date, nothing to do ({built.digest})")
        return
    _enable(installed())
    say_figures(built)


def installed() -> str:
    """Return the name of the plugin that the engine has, "" for none."""
    return next((name for name in (NAME, FORMER) if figures.exists(name)), "")


def _someone_serves() -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        return client.connect_ex(str(Settings.socket.default)) == 0


def _create(built: Built, *settings: str) -> None:
    with step(4, f"docker plugin install, as '{NAME}'"), served(built.plugin) as reference:
        words = ("--disable", "--grant-all-permissions", "--alias", NAME, reference, *settings)
        run("docker", "plugin", "install", *words)


def _replace(built: Built) -> None:
    """Put a plugin of today's name, with the same settings, in the place of ``FORMER``, which has no network."""
    said = json.loads(run("docker", "plugin", "inspect", "--format", "{{json .Settings.Env}}", FORMER))
    defaults = {f"{entry['name']}={entry['value']}": entry["name"] for entry in config.config()["env"]}
    kept = [text for text in said if text not in defaults and text.partition("=")[0] in defaults.values()]
    _create(built, *kept)
    run("docker", "plugin", "rm", "--force", FORMER)
    say(f"'{FORMER}' had no networks: '{NAME}' has taken its place, with its settings")


def _upgrade(name: str, built: Built) -> None:
    """Put another root file system under the same plugin: its id, settings, state and count of networks stay."""
    if name == FORMER:
        say(f"'{FORMER}' keeps its name, which its networks have; without networks it becomes '{NAME}'")
    with step(4, "docker plugin upgrade; containers keep talking meanwhile"):
        if _enabled(name):
            run("docker", "plugin", "disable", "--force", name)
        with served(built.plugin) as reference:
            words = ("--skip-remote-check", "--grant-all-permissions", name, reference)
            refusal = complaint("docker", "plugin", "upgrade", *words, timeout=300)
    if refusal:
        _enable(name)
        fail(f"'docker plugin upgrade' failed, and the plugin is as it was: {refusal}")


def _enable(name: str) -> None:
    with step(5, "docker plugin enable"):
        if not works("docker", "plugin", "enable", name):
            fail(
                f"'docker plugin enable {name}' failed; the reason is a line with 'Error:' and 'plugin=' in the "
                "engine's log (journalctl -u docker)"
            )


def _layer(name: str) -> str:
    """Return the digest of the file system of an installed plugin, which contains its config.json too."""
    return run("docker", "plugin", "inspect", "--format", "{{index .Config.Rootfs.DiffIds 0}}", name)


def _enabled(name: str) -> bool:
    return run("docker", "plugin", "inspect", "--format", "{{.Enabled}}", name) == "true"


def remove() -> None:
    """Disable and remove the plugin; refused while networks of it are there.

    The engine counts networks of the driver ``NAME`` only, and only since its own start, so this looks for itself.
    """
    name = installed()
    if not name:
        say(f"nothing to remove: there is no plugin '{NAME}'")
        return
    if used := networks():
        fail(f"the plugin is not removed: it has the networks {', '.join(used)}")
    if _enabled(name):
        run("docker", "plugin", "disable", name)
    run("docker", "plugin", "rm", name)
    build.remove_images()
    say(f"removed '{name}' and its state; the next build uses {build.FOLDER.parent} and {base.cache()} again")


def networks() -> list[str]:
    """Return the names of the networks whose driver or address manager is the plugin."""
    known = run("docker", "network", "ls", "--quiet").split()
    form = "{{.Name}} {{.Driver}} {{.IPAM.Driver}}"
    lines = run("docker", "network", "inspect", "--format", form, *known).splitlines()
    return [line.split()[0] for line in lines if {DRIVER, NAME, FORMER} & set(line.split()[1:])]


def say_figures(built: Built, *, restart: bool = False) -> None:
    """Print size, memory and start time of the plugin."""
    name = installed() or fail(f"there is no plugin '{NAME}'; 'make plugin' installs it")
    say(f"root file system {built.size / 1e6:.1f} MB, compressed {built.compressed / 1e6:.1f} MB, {built.digest}")
    if restart:
        say(f"start to answer {figures.start(name):.2f} s")
    used = figures.memory(name)
    say(f"memory {used:.1f} MB (PSS of all its processes)" if used else "memory: its processes are on another machine")
    say(f"the plugin is '{name}', its driver '{DRIVER}'; try: docker network create --driver {DRIVER} web")
