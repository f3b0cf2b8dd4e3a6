"""The files of ``examples/`` with a real Compose; busybox takes the place of their images."""

from pathlib import Path

import pytest

from tests.engine.lab.compose import PROJECT, Project, started
from tests.engine.lab.host import REPOSITORY
from tests.engine.lab.scene import Scene
from tests.engine.lab.service import command

EXAMPLES = REPOSITORY / "examples"
PORTS = {"web": 80, "app": 8000, "db": 5432, "database": 5432}  # on which services of the files answer


@pytest.fixture
def instead(tmp_path: Path) -> Path:
    """Return a file for other images of services."""
    return tmp_path / "instead.yaml"


def sleeping(*services: str) -> str:
    """Return the text of a file that lets services sleep in busybox."""
    lines = [f"  {service}: {{image: busybox, command: sleep 1d, stop_signal: SIGKILL}}" for service in services]
    return "\n".join(["services:", *lines])


def reach(project: Project, network: str, *pairs: tuple[str, str]) -> list[tuple[str, str]]:
    """Return the pairs of services of which the first one has an answer from the second, by its address."""
    network = f"{PROJECT}_{network}"
    return [
        (source, target)
        for source, target in pairs
        if project.container(source).seen_by(project.container(target).ip(network), port=PORTS[target])
    ]


def test_three_tiers_and_a_sandbox(pynet_scene: Scene, instead: Path) -> None:
    """Options of networks and of services in them reach pynet: each tier reaches the next one alone."""
    instead.write_text(sleeping("web", "app", "db", "sandbox"))
    with started(pynet_scene.host, EXAMPLES / "policy.yaml", instead) as project:
        tiers = ("web", "app", "db")
        for name in tiers:
            pynet_scene.echo(project.container(name), PORTS[name])
        pairs = [(source, target) for source in (*tiers, "sandbox") for target in tiers if source != target]
        assert reach(project, "shop", *pairs) == [("web", "app"), ("app", "db")]
        assert "tcp/5432 @ app" in command(pynet_scene.host, "policy", "show", project.container("db").name)
    assert PROJECT not in pynet_scene.host.docker("network", "ls")


def test_most_options_of_networks(pynet_scene: Scene, instead: Path) -> None:
    """The web server reaches the database, also after it was made anew, and is published."""
    instead.write_text(sleeping("web", "database", "camera"))
    with started(pynet_scene.host, EXAMPLES / "compose.yaml", instead) as project:
        pynet_scene.echo(project.container("database"), PORTS["database"])
        assert reach(project, "back", ("web", "database"))
        assert "20mbit" in command(pynet_scene.host, "endpoint", "inspect", project.container("camera").name)
        project("up", "-d", "--pull", "never", "--force-recreate", "-t", "0", "web")
        assert reach(project, "back", ("web", "database"))
        assert command(pynet_scene.host, "ports").count(project.container("web").name) >= 2
    assert PROJECT not in pynet_scene.host.docker("network", "ls")
