"""``pynet page`` beside a real engine: names as Docker tells them, ports, and traffic that passes."""

import json
from typing import Any

from tests.engine.lab.host import REPOSITORY
from tests.engine.lab.scene import Container, Scene
from tests.engine.lab.service import PYNET

# Asks the page until the container has its name, which Docker tells some seconds after a start; then once more.
SCRIPT = """
import json, subprocess, sys, time, urllib.request
page = subprocess.Popen([sys.argv[1], "page"], stdout=subprocess.PIPE, text=True)
address, _, token = page.stdout.readline().strip().partition("#")
def ask():
    question = urllib.request.Request(address + "api/overview", headers={"Authorization": "Bearer " + token})
    return json.load(urllib.request.urlopen(question))["Overview"]
until = time.monotonic() + 40
while sys.argv[2] not in (found := ask())["names"]["containers"].values() and time.monotonic() < until:
    time.sleep(0.5)
page.kill()
print(json.dumps(found))
"""


def overview(web: Container) -> Any:
    """Return the overview of a page that is served on the host of a container."""
    python = str(REPOSITORY / ".venv/bin/python")
    return json.loads(web.host.exec(python, "-c", SCRIPT, PYNET[0], web.name))


def test_the_page_has_names_ports_and_traffic(pynet_scene: Scene) -> None:
    """As Docker shows them; bytes of a ping are counted in both directions."""
    net = pynet_scene.network("--subnet", "10.44.0.0/24")
    web, other = pynet_scene.container(net, "-p", "8080:80"), pynet_scene.container(net)
    before = overview(web)
    assert other.reaches(web.name)
    after, short = overview(web), web.endpoint(net)["EndpointID"][:12]

    [end] = [one for one in after["endpoints"] if one["id"].startswith(short)]
    assert (after["names"]["containers"][short], end["ipv4"]) == (web.name, f"{web.ip(net)}/24")
    assert net in after["names"]["networks"].values()
    assert {(one["host_port"], one["container_port"]) for one in end["ports"]} == {(8080, 80)}
    grown = [
        now - then for now, then in zip(*(one["traffic"]["endpoints"][short] for one in (after, before)), strict=True)
    ]
    assert grown[0] >= 84
    assert grown[1] >= 84
