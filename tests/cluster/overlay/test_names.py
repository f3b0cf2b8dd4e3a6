"""Names of containers are known on all hosts of their network, and die with them."""

import json
from functools import partial
from typing import Any

from tests.cluster.overlay.cluster import Box, Cluster, Node
from tests.engine.lab.process import wait_until
from tests.engine.lab.service import command
from tests.engine.lab.shell import CommandFailed


def found(node: Node, name: str) -> list[dict[str, Any]]:
    """Return the containers to which a name leads on a host, as pynet tells there."""
    rows: list[dict[str, Any]] = json.loads(command(node.host, "dns", "names", "blue", "--json"))
    return [row for row in rows if name in row["names"]]


def leads_to(node: Node, name: str, *boxes: Box) -> bool:
    """Whether a name leads to these containers and no others."""
    addresses = sorted(address for row in found(node, name) for address in row["addresses"])
    return addresses == sorted(address for box in boxes for address in (box.ip, box.ip6))


def test_every_host_knows_every_name(blue: Cluster) -> None:
    """Container names and an alias that two hosts have; after a removal nobody knows the name."""
    first, second, third = blue.nodes
    boxes = [node.run("blue", "--network-alias", "shared") for node in (first, second)]
    for node in blue.nodes:
        wait_until(partial(leads_to, node, "shared", *boxes), "the alias on every host")
        wait_until(partial(leads_to, node, boxes[0].name, boxes[0]), "the name on every host")
    assert found(third, boxes[0].name)[0]["host_name"] == first.host.exec("hostname").strip()
    first.remove(boxes[0])
    wait_until(lambda: not found(third, boxes[0].name), "the name to be gone")
    wait_until(lambda: leads_to(third, "shared", boxes[1]), "the alias to lead to the other one")


def test_names_follow_renames_and_a_restart_of_pynet(blue: Cluster) -> None:
    """A new name is known everywhere; pynet knows all names again after a restart, and writes none of them twice."""
    first, second, _ = blue.nodes
    box = second.run("blue")
    wait_until(lambda: leads_to(first, box.name, box), "the name")
    second.host.docker("rename", box.name, f"{box.name}x")
    wait_until(lambda: leads_to(first, f"{box.name}x", box) and not found(first, box.name), "the new name")
    second.host.docker("rename", f"{box.name}x", box.name)
    wait_until(lambda: leads_to(first, box.name, box), "the old name")
    first.pynet.restart()
    wait_until(lambda: leads_to(first, box.name, box), "the name after a restart")


def test_known_names_stay_while_the_store_is_away(blue: Cluster) -> None:
    """Nothing is forgotten meanwhile, and what changed is told when the store is back."""
    first, second, third = blue.nodes
    going, staying = second.run("blue"), second.run("blue")
    wait_until(lambda: leads_to(first, going.name, going) and leads_to(first, staying.name, staying), "the names")
    for server in blue.underlay.servers:
        server.kill()
    second.remove(going)
    assert leads_to(first, staying.name, staying)
    assert not found(second, going.name)
    blue.underlay.start()
    wait_until(lambda: not found(third, going.name), "the removal to be told", 60)
    assert leads_to(third, staying.name, staying)


def test_a_container_finds_one_of_another_host_by_name(blue: Cluster) -> None:
    """By its name and its alias, also while the store is away; once it is removed nobody finds it."""
    first, second, _ = blue.nodes
    command(first.host, "network", "set", "blue", "dns=on")
    asking, box = first.run("blue", "--dns", "169.254.53.53"), second.run("blue", "--network-alias", "shop")
    wait_until(lambda: box.ip in resolved(asking, box.name), "the name")
    for server in blue.underlay.servers:
        server.kill()
    assert box.ip in resolved(asking, "shop")
    blue.underlay.start()
    blue.wait("blue", 20)
    second.remove(box)
    wait_until(lambda: box.ip not in resolved(asking, box.name), "the name to be gone")


def resolved(box: Box, name: str) -> str:
    """Return what a container is told about a name; "" if it finds none."""
    try:
        return box.host.docker("exec", box.name, "nslookup", name)
    except CommandFailed:
        return ""
