"""The ``pynet`` command and ``docker pynet``, on a real engine: they print what ``docker`` does not know."""

import json
from pathlib import Path

import pytest

from plugin.model.names import bridge_name, host_link_name
from tests.engine.lab.scene import Container, Scene
from tests.engine.lab.service import PYNET, as_member, command
from tests.engine.lab.shell import CommandFailed


@pytest.fixture
def web(pynet_scene: Scene) -> Container:
    """A container with two ports: one for everybody, one on IPv6's own host alone."""
    net = pynet_scene.network("--subnet", "10.43.0.0/24", "--ipv6", "--subnet", "fd00:43::/64")
    return pynet_scene.container(net, "-p", "8080:80", "-p", "[::1]:5353:53/udp")


def test_ports_of_a_container_are_those_of_docker_port(web: Container) -> None:
    """The output has Docker's form, and a port that is not published fails with Docker's sentence."""
    every = command(web.host, "ports", web.name).splitlines()
    assert every == ["53/udp -> [::1]:5353", "80/tcp -> 0.0.0.0:8080", "80/tcp -> [::]:8080"]
    assert command(web.host, "ports", web.name, "80").splitlines() == ["0.0.0.0:8080", "[::]:8080"]
    with pytest.raises(CommandFailed, match=rf"no public port '81/tcp' published for {web.name}"):
        command(web.host, "ports", web.name, "81")
    with pytest.raises(CommandFailed, match="there is no container 'nobody'"):
        command(web.host, "ports", "nobody")


def test_ps_is_docker_ps_with_the_ports(web: Container) -> None:
    """All columns but the ports are the same text, and filters, quiet and templates are understood."""
    docker = web.host.docker("ps", "--filter", f"name={web.name}", "--format", "{{.ID}} {{.Image}} {{.Command}}")
    mine = command(web.host, "ps", "--filter", f"name={web.name}", "--format", "{{.ID}} {{.Image}} {{.Command}}")
    ports = command(web.host, "ps", "--filter", f"name={web.name}", "--format", "{{.Ports}}")

    assert mine == docker
    assert ports.strip() == "[::1]:5353->53/udp, 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp"
    assert command(web.host, "ps", "-q", "--filter", f"name={web.name}") == docker.partition(" ")[0]
    assert json.loads(command(web.host, "ps", "--json", "--filter", "name=nobody")) == []


def test_networks_and_endpoints_have_dockers_names(pynet_scene: Scene, web: Container) -> None:
    """The lists name network, container and links; one is inspected by its name."""
    (net,) = web.inspect()["NetworkSettings"]["Networks"]
    network, endpoint = web.host.docker("network", "inspect", "-f", "{{.Id}}", net).strip(), web.endpoint(net)
    (shown,) = json.loads(command(pynet_scene.host, "network", "inspect", net))
    (end,) = json.loads(command(pynet_scene.host, "endpoint", "inspect", web.name))
    form = ["--format", "{{.Container}} {{.Network}} {{.Addresses}}"]

    assert (shown["id"], shown["link"], shown["mode"]) == (network, bridge_name(network), "bridge")
    assert (end["id"], end["link"]) == (endpoint["EndpointID"], host_link_name(endpoint["EndpointID"]))
    line = f"{web.name} {net} {web.ip(net)}/24, {web.ip6(net)}/64"
    assert line in command(pynet_scene.host, "endpoint", "ls", *form).splitlines()


def test_docker_pynet_is_the_same_command(pynet_scene: Scene, web: Container) -> None:
    """The Docker CLI knows the plugin, and what it prints is what ``pynet`` prints."""
    host = pynet_scene.host
    folder = "/run/cli/cli-plugins"
    host.exec("mkdir", "-p", folder)
    host.exec("ln", "-sf", str(Path(PYNET[0]).with_name("docker-pynet")), folder)
    docker = ("env", "DOCKER_CONFIG=/run/cli", "DOCKER_HOST=unix:///run/docker.sock", str(host.docker.client))

    assert host.exec(*docker, "pynet", "ports", web.name) == command(host, "ports", web.name)
    assert as_member(host, *docker, "pynet", "ports", web.name) == command(host, "ports", web.name)
    assert "Usage: docker pynet ps" in host.exec(*docker, "pynet", "ps", "--help")
    assert "Show networks, endpoints and published ports" in host.exec(*docker, "--help")


def test_a_member_of_group_docker_needs_no_root(pynet_scene: Scene, web: Container) -> None:
    """Commands that look print the same to root and to a member of the group, who may change nothing."""
    (net,) = web.inspect()["NetworkSettings"]["Networks"]
    looking = (
        "ps -q",
        "ports",
        f"ports {web.name} 80",
        f"network inspect {net}",
        f"endpoint inspect {web.name}",
        "version",
    )
    for words in map(str.split, looking):
        assert as_member(pynet_scene.host, PYNET[0], *words) == command(pynet_scene.host, *words)
    assert f"{net}'" in as_member(pynet_scene.host, PYNET[0], "status")
    with pytest.raises(CommandFailed, match="only root may do this, and user 65534 asked; run it as root"):
        as_member(pynet_scene.host, PYNET[0], "reconcile")
    with pytest.raises(CommandFailed, match="permission denied; run it as root or join group docker"):
        pynet_scene.host.exec("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", PYNET[0], "status")


def test_status_counts_what_there_is(web: Container) -> None:
    """Networks, endpoints, ports and pools are those of the engine, which is named with its version."""
    status = json.loads(command(web.host, "status", "--json"))
    (net,) = web.inspect()["NetworkSettings"]["Networks"]
    version = web.host.docker("version", "--format", "{{.Server.Version}}").strip()
    pool = next(pool for pool in status["pools"] if pool["subnet"] == "10.43.0.0/24")

    assert (status["engine"], status["failing"], status["ports"] >= 3) == (version, [], True)
    assert (pool["name"], pool["taken"], pool["size"]) == (net, 2, 254)
    assert f"pool:       10.43.0.0/24 of network '{net}': 2 of 254" in command(web.host, "status")
