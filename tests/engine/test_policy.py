"""Policies on a real engine: the three tiers and the sandbox of ``examples/policy.yaml``, by the commands of Docker."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import permutations
from pathlib import Path

import pytest

from tests.engine.lab import compose_file
from tests.engine.lab.host import REPOSITORY
from tests.engine.lab.outside import HOST4, OUTSIDE4, PORT, Outside
from tests.engine.lab.process import wait_until
from tests.engine.lab.scene import Container, Scene, seen_from
from tests.engine.lab.service import command
from tests.engine.lab.shell import CommandFailed, run

EXAMPLE = compose_file.read(REPOSITORY / "examples/policy.yaml")
SERVER = Path(__file__).parents[1] / "kernel/dns_server.py"
NAME = "pypi.org"


def options(given: dict[str, str], flag: str) -> list[str]:
    """Return ``driver_opts`` of the file as words of the command line."""
    return [word for key, value in given.items() for word in (flag, f"{key}={value}")]


def network(scene: Scene, name: str, **instead: str) -> str:
    """Create a network of the file; ``instead`` has other values for options, without the beginning of their keys."""
    given = EXAMPLE["networks"][name]["driver_opts"] | {f"pynet.{key}": value for key, value in instead.items()}
    return scene.network(*options(given, "-o"))


def service(scene: Scene, on: str, name: str, *arguments: str) -> Container:
    """Start a service of the file, with its options for the network and an echo on its ports."""
    given = EXAMPLE["services"][name]["networks"]["shop"]["driver_opts"]
    words = ",".join([f"name={on}", *(f'"driver-opt={key}={value}"' for key, value in given.items())])
    return scene.container(words, *arguments)


@pytest.fixture
def dns(pynet_scene: Scene) -> Iterator[None]:
    """A name server on the host that knows a name of the sandbox, as the machine outside; pynet asks it."""
    host = pynet_scene.host
    inside = ["nsenter", "-t", str(host.pid), "-n", "--", sys.executable, str(SERVER), f"{NAME}={OUTSIDE4}"]
    resolvers = host.path("/etc/resolv.conf")
    before = resolvers.read_text() if resolvers.exists() else ""
    with subprocess.Popen(inside, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        host.exec("sh", "-c", "cat >/etc/resolv.conf", stdin=b"nameserver 127.0.0.53\n")
        yield
        host.exec("sh", "-c", "cat >/etc/resolv.conf", stdin=before.encode())
        server.communicate()


def passes(scene: Scene, *words: str) -> bool:
    """Return whether ``pynet`` ends with 0, and not with 1."""
    try:
        command(scene.host, *words)
    except CommandFailed as failure:
        if "Traceback" in failure.stderr:
            raise
        return False
    return True


@pytest.mark.usefixtures("outside")
def test_the_tiers_of_the_example_reach_the_next_one_alone(pynet_scene: Scene, outside: Outside) -> None:
    """Web reaches app, app reaches the database, each at its port alone; the model says the same as the packets."""
    scene, shop = pynet_scene, network(pynet_scene, "shop")
    web, app, db = (service(scene, shop, name) for name in ("web", "app", "db"))
    for box in (web, app, db):
        scene.echo(box, 8000, 5432)
    addresses = {box: box.ip(shop) for box in (web, app, db)}
    inside = {box: partial(run, "nsenter", f"--net={box.namespace}", "--") for box in (web, app, db)}
    asked = [(*pair, port) for pair in permutations(addresses, 2) for port in (8000, 5432)]
    with ThreadPoolExecutor(len(asked)) as pool:  # at once, as whoever gets no answer waits for it
        seen = list(pool.map(lambda one: seen_from(inside[one[0]], addresses[one[1]], port=one[2]), asked))
    assert {one for one, answer in zip(asked, seen, strict=True) if answer} == {(web, app, 8000), (app, db, 5432)}
    assert passes(scene, "policy", "test", app.name, db.name, "tcp/5432")
    assert not passes(scene, "policy", "test", web.name, db.name, "tcp/5432")
    assert web.seen_by(OUTSIDE4) == ""
    shown = command(scene.host, "policy", "show", db.name)
    assert "tcp/5432 @ app" in shown
    del outside


@pytest.mark.usefixtures("outside", "dns")
def test_the_sandbox_of_the_example_reaches_named_hosts_alone(pynet_scene: Scene) -> None:
    """The name of an entry opens its addresses at the port of the entry, and a change that narrows it closes them."""
    scene = pynet_scene
    entries = EXAMPLE["networks"]["box"]["driver_opts"]["pynet.allow_out"].replace("tcp/443", f"tcp/{PORT}")
    box = scene.container(network(scene, "box", allow_out=entries))

    wait_until(lambda: box.seen_by(OUTSIDE4) == HOST4, "the name to be known")
    assert box.seen_by(OUTSIDE4, "udp") == ""
    assert box.seen_by(HOST4) == ""
    assert OUTSIDE4 in command(scene.host, "policy", "show", box.name)
    assert passes(scene, "path", box.name, OUTSIDE4, f"tcp/{PORT}")
    assert not passes(scene, "path", box.name, OUTSIDE4, "tcp/22")
    command(scene.host, "policy", "set", box.name, "--allow-out", "none")
    assert box.seen_by(OUTSIDE4) == ""
    command(scene.host, "policy", "reset", box.name)
    assert box.seen_by(OUTSIDE4) == HOST4
