"""The walk of Docker's networking guide: what a newcomer types, with both drivers."""

from ipaddress import ip_interface, ip_network

from tests.engine.lab.scene import Container, Scene


def test_two_containers_on_a_network_find_each_other_and_nobody_else_does(scene: Scene) -> None:
    """Two containers of one network talk by address and by name; a third on another network reaches neither."""
    docker = scene.host.docker
    web, other = scene.network(), scene.network()
    assert web in docker("network", "ls", "--filter", f"driver={scene.driver}", "--format", "{{.Name}}").split()

    one, two, third = scene.container(web), scene.container(web), scene.container(other)
    assert one.reaches(two.ip(web))
    assert two.reaches(one.name)
    assert not third.reaches(one.ip(web))
    assert not third.reaches(two.name)


def test_inspect_shows_the_subnet_the_gateway_and_who_is_on_the_network(scene: Scene) -> None:
    """``network inspect`` lists each container with endpoint id, MAC and both addresses, as the container has them."""
    web = scene.network("--ipv6", "--subnet", "10.30.0.0/24", "--gateway", "10.30.0.1", "--subnet", "fd00:30::/64")
    one = scene.container(web)
    seen = scene.host.docker.inspect("network", web)
    pools = {entry["Subnet"]: entry for entry in seen["IPAM"]["Config"]}
    assert pools["10.30.0.0/24"]["Gateway"] == "10.30.0.1"

    [entry] = seen["Containers"].values()
    assert entry["Name"] == one.name
    assert entry["EndpointID"] == one.endpoint(web)["EndpointID"]
    assert ip_interface(entry["IPv4Address"]).network == ip_network("10.30.0.0/24")
    assert ip_interface(entry["IPv6Address"]).network == ip_network("fd00:30::/64")
    inside = one.exec("ip", "address", "show", "eth0")
    for fact in (entry["MacAddress"], entry["IPv4Address"], entry["IPv6Address"]):
        assert fact in inside


def test_a_container_on_two_networks_reaches_both(scene: Scene) -> None:
    """A container connected to a second network while it runs reaches the members of both."""
    front, back = scene.network(), scene.network()
    proxy, client, server = scene.container(front), scene.container(front), scene.container(back)
    scene.host.docker("network", "connect", back, proxy.name)
    assert proxy.reaches(client.name)
    assert proxy.reaches(server.name)
    assert not client.reaches(server.ip(back))


def test_disconnect_takes_a_running_container_off_and_connect_puts_it_back(scene: Scene) -> None:
    """After disconnect the interface is gone and the peer unreachable; connect brings both back."""
    docker, web = scene.host.docker, scene.network()
    one, two = scene.containers(web, 2)
    docker("network", "disconnect", web, one.name)
    assert "eth0" not in one.exec("ip", "link")
    assert not one.reaches(two.ip(web))

    docker("network", "connect", web, one.name)
    assert one.reaches(two.name)
    assert two.reaches(one.name)


def test_a_network_with_a_container_cannot_be_removed(scene: Scene) -> None:
    """Removal is refused while somebody is on the network, works afterwards, and the name is free again."""
    docker, web = scene.host.docker, scene.network()
    scene.container(web)
    assert "active endpoints" in docker.fails("network", "rm", web)
    scene.clear()
    scene.remove(web)
    assert web not in docker("network", "ls", "--format", "{{.Name}}").split()


def test_a_stopped_container_comes_back_on_its_network(scene: Scene) -> None:
    """Stop and start, restart, pause and rename leave the container on its network."""
    docker, web = scene.host.docker, scene.network()
    one, two = scene.containers(web, 2)
    docker("stop", one.name)
    assert not two.reaches(two.ip(web).rsplit(".", 1)[0] + ".99")
    docker("start", one.name)
    assert two.reaches(one.ip(web))
    docker("restart", one.name)
    docker("rename", one.name, one.name + "-new")
    renamed = Container(one.name + "-new", scene.host)
    assert renamed.reaches(two.name)
    docker("rename", renamed.name, one.name)
