"""Limits of rates: which token buckets an endpoint wants, and that nothing is half made, left, or asked without any."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from netlink.errors import KernelError
from netlink.limits import Bucket
from plugin.errors import PynetError, Unsupported
from plugin.host.packet_size import BIG
from plugin.model.desired import WantedLimit
from plugin.model.records import Endpoint, Network
from plugin.modes.bridge import BridgeMode
from plugin.modes.limits import LEAST_BURST, PACKET, bucket
from plugin.options.rates import amount, rate
from plugin.protocol.change_messages import ResetOptions, SetOptions
from plugin.store.base import Put
from tests.fake_sockets import Steps
from tests.fakes import FakeKernel, World
from tests.unit import requests as rq

PORT, LIMITER = f"pnh{rq.ENDPOINT_ID[:12]}", f"pni{rq.ENDPOINT_ID[:12]}"
BOTH = {"pynet.rate_in": "10mbit", "pynet.rate_out": "20mbit"}
IN, OUT = (bucket(rate(BOTH[key]), None, 0) for key in BOTH)
VERBS = {"buckets", "set_bucket", "delete_bucket", "redirections", "redirect", "end_redirect", "add_ifb", "try_buckets"}


def limited(world: World, options: dict[str, str], own: dict[str, str] | None = None) -> None:
    """Make a network with ``options`` and an endpoint with options of its ``own``."""
    world.driver.create_network(rq.network(options=options))
    world.driver.create_endpoint(rq.endpoint(driver_opts=own))


def found(world: World) -> list[str]:
    """Return the kinds of what a survey finds."""
    return [finding.kind for finding in world.survey.look((), idle=True).found]


@pytest.mark.parametrize("text", ["64kbit", "10mbit", "100mbit", "1gbit", "40gbit", "1tbit"])
@pytest.mark.parametrize("packet", [0, PACKET, BIG])
def test_a_bucket_is_never_smaller_than_its_packets(text: str, packet: int) -> None:
    """The burst is at least 128 KiB, 4 ms of the rate and one and a half packets, and the queue holds a packet."""
    wanted = bucket(rate(text), None, packet)
    largest = packet or PACKET

    assert wanted.rate == rate(text).bits // 8
    assert wanted.burst >= max(LEAST_BURST, wanted.rate * 4 // 1000, largest * 3 // 2)
    assert wanted.queue > largest
    assert wanted.burst // wanted.rate < 2**32 * 64 // 10**9  # the kernel keeps it as a time


def test_a_burst_of_the_user_can_only_be_larger() -> None:
    """A burst below the least has no effect, one above it is taken."""
    assert bucket(rate("10mbit"), amount("10kbyte"), 0).burst == LEAST_BURST
    assert bucket(rate("10mbit"), amount("2mbyte"), 0).burst == 2_000_000


def test_other_packets_wait_at_most_20_ms_above_30_mbit() -> None:
    """The queue is short, so that a ping beside a transfer is not late."""
    assert all(bucket(rate(f"{speed}mbit"), None, 0).queue / (speed * 125_000) <= 0.02 for speed in (30, 100, 1000))


@pytest.mark.parametrize(
    ("options", "own", "wanted"),
    [
        (BOTH, {}, [WantedLimit(rq.ENDPOINT_ID, PORT, IN), WantedLimit(rq.ENDPOINT_ID, LIMITER, OUT, PORT)]),
        ({}, BOTH, [WantedLimit(rq.ENDPOINT_ID, PORT, IN), WantedLimit(rq.ENDPOINT_ID, LIMITER, OUT, PORT)]),
        (BOTH, {"pynet.rate_out": "off"}, [WantedLimit(rq.ENDPOINT_ID, PORT, IN)]),
        ({"pynet.rate_in": "1gbit"}, {"pynet.rate_in": "10mbit"}, [WantedLimit(rq.ENDPOINT_ID, PORT, IN)]),
        ({"pynet.rate_in": "off", "pynet.burst_in": "9mbyte"}, {}, []),
        (BOTH, {"pynet.rate_in": "off", "pynet.rate_out": "off"}, []),
    ],
)
def test_an_endpoint_has_the_limits_of_its_network_and_its_own(
    world: World, options: dict[str, str], own: dict[str, str], wanted: list[WantedLimit]
) -> None:
    """What is wanted is made when the endpoint is, and a survey finds nothing else."""
    limited(world, options, own)
    [part] = world.survey.desired(rq.NETWORK_ID)

    assert list(part.limits) == wanted
    assert world.kernel.limits == {limit.link: limit.bucket for limit in wanted}
    assert world.kernel.redirected == {limit.source: limit.link for limit in wanted if limit.source}
    assert found(world) == []


def test_all_of_it_goes_with_the_endpoint(world: World) -> None:
    """After the endpoint and its network nothing of the limits is left."""
    before = world.kernel.snapshot()
    limited(world, BOTH)
    world.driver.delete_endpoint(rq.ENDPOINT)
    world.bury()
    assert LIMITER not in world.kernel.by_name
    world.driver.delete_network(rq.NETWORK)
    world.bury()

    assert world.kernel.snapshot() == before


@pytest.mark.parametrize("part", ["tbf", "ifb", "mirred"])
@pytest.mark.parametrize("where", ["network", "endpoint"])
def test_a_kernel_without_a_part_refuses_and_nothing_is_made(world: World, part: str, where: str) -> None:
    """The sentence names the option, for a network as for an endpoint, and nothing is changed."""
    world.kernel.without = {part}
    options, own = (BOTH, {}) if where == "network" else ({}, BOTH)
    if where == "endpoint":
        world.driver.create_network(rq.network(options=options))
    before = world.snapshot()
    make: Callable[[], object] = {
        "network": lambda: world.driver.create_network(rq.network(options=options)),
        "endpoint": lambda: world.driver.create_endpoint(rq.endpoint(driver_opts=own)),
    }[where]
    key = "pynet.rate_in" if part == "tbf" else "pynet.rate_out"

    with pytest.raises(Unsupported, match=f"option '{key}' needs a part that this kernel does not have"):
        make()
    assert world.snapshot() == before


@pytest.mark.parametrize("step", range(1, 30))
def test_whatever_step_fails_nothing_is_left(world: World, step: int) -> None:
    """A creation with limits that fails at any step leaves the host as it was."""
    world.driver.create_network(rq.network(options=BOTH))
    before = world.snapshot()
    try:
        world.failing_at(step).create_endpoint(rq.endpoint())
    except PynetError:
        world.steps.fail_at = 0
        assert world.snapshot() == before
    else:
        assert step > 8


HARM: dict[str, tuple[Callable[[FakeKernel], object], list[str]]] = {
    "the bucket of the port": (lambda kernel: kernel.delete_bucket(PORT), ["LimitChanged"]),
    "the bucket of the limiter": (lambda kernel: kernel.delete_bucket(LIMITER), ["LimitChanged"]),
    "another rate": (lambda kernel: kernel.set_bucket(PORT, Bucket(1, 2, 3)), ["LimitChanged"]),
    "the redirection": (lambda kernel: kernel.end_redirect(PORT), ["LimitChanged"]),
    "the limiter": (lambda kernel: kernel.delete_link(kernel.by_name[LIMITER]), ["LinkMissing"]),
    "the limiter down": (lambda kernel: kernel.set_down(LIMITER), ["LinkDown"]),
    "its alias": (lambda kernel: kernel.set_alias(LIMITER, "mine"), ["LinkChanged"]),
}


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("way", ["survey", "look at the link"])
def test_a_limit_that_somebody_took_away_is_repaired(world: World, harm: str, way: str) -> None:
    """Each loss is one finding, and its repair brings everything back."""
    limited(world, BOTH)
    before = world.kernel.snapshot()
    take, expected = HARM[harm]
    take(world.kernel)
    assert found(world) == expected
    if way == "survey":
        world.reconciler.reconcile()
    else:
        world.reconciler.look_at_links({LIMITER})

    assert world.kernel.snapshot() == before
    assert found(world) == []


OFF = {"rate_in": "off", "rate_out": "off"}


def test_a_dry_run_tells_of_a_limit_and_changes_nothing(world: World) -> None:
    """The sentence names the link, what it has and what it is to have."""
    limited(world, BOTH)
    world.kernel.delete_bucket(PORT)
    before = world.snapshot()

    [told] = world.dry_run.look()
    assert told.sentence.startswith(
        f"limit of link '{PORT}' of network 'a1a1a1a1a1a1' is 'none': set it to '10mbit, burst"
    )
    assert world.snapshot() == before


LEFT: list[tuple[dict[str, str], dict[str, Bucket]]] = [
    ({"rate_in": "off"}, {LIMITER: OUT}),
    ({"rate_out": "off"}, {PORT: IN}),
    (OFF, {}),
    ({"rate_in": "20mbit", "rate_out": "10mbit"}, {PORT: OUT, LIMITER: IN}),
]


@pytest.mark.parametrize(("options", "left"), LEFT)
@pytest.mark.parametrize("endpoint", ["", rq.ENDPOINT_ID])
def test_limits_of_a_running_container_change(
    world: World, options: dict[str, str], left: dict[str, Bucket], endpoint: str
) -> None:
    """Limits that are no more wanted end at once, with the redirection before the link to which it leads."""
    limited(world, BOTH)
    before = world.kernel.snapshot()
    world.live.set_options(SetOptions(rq.NETWORK_ID, endpoint, options))

    assert world.kernel.limits == left
    assert (LIMITER in world.kernel.by_name) == (LIMITER in left) == bool(world.kernel.redirected)
    assert found(world) == []
    world.live.reset_options(ResetOptions(rq.NETWORK_ID, endpoint, tuple(options)))
    assert world.kernel.snapshot() == before


@pytest.mark.parametrize(("options", "left"), LEFT)
def test_a_survey_brings_limits_in_line_with_the_record(
    world: World, options: dict[str, str], left: dict[str, Bucket]
) -> None:
    """As after a kill between the record of a change and its last step."""
    limited(world, BOTH)
    known = world.store.get(Endpoint, f"{rq.NETWORK_ID}/{rq.ENDPOINT_ID}")
    assert known is not None
    changes = {f"pynet.{key}": value for key, value in options.items()}
    world.store.transact(Put(replace(known.record, changes=changes)))
    world.reconciler.reconcile()

    assert world.kernel.limits == left
    assert (LIMITER in world.kernel.by_name) == (LIMITER in left) == bool(world.kernel.redirected)
    assert found(world) == []


@pytest.mark.parametrize("step", range(1, 12))
@pytest.mark.parametrize("options", [BOTH, OFF])
def test_a_change_that_fails_changes_nothing(world: World, step: int, options: dict[str, str]) -> None:
    """Whatever step fails, record and kernel are as before."""
    limited(world, BOTH if options == OFF else {"pynet.rate_in": "1gbit"})
    before = world.snapshot()
    world.steps.count, world.steps.fail_at = 0, step
    try:
        world.live.set_options(SetOptions(rq.NETWORK_ID, "", options))
    except (PynetError, KernelError):
        world.steps.fail_at = 0
        assert world.snapshot() == before
    else:
        assert step > 4


@pytest.mark.parametrize("part", ["tbf", "ifb", "mirred"])
def test_a_change_that_the_kernel_cannot_keep_is_refused(world: World, part: str) -> None:
    """A running container keeps its link as it is, and the sentence names the option."""
    limited(world, {})
    before = world.snapshot()
    world.kernel.without = {part}

    with pytest.raises(Unsupported, match="needs a part that this kernel does not have"):
        world.live.set_options(SetOptions(rq.NETWORK_ID, rq.ENDPOINT_ID, BOTH))
    assert world.snapshot() == before


class Watched:
    """Counts the calls of the kernel's verbs on limits."""

    def __init__(self, kernel: FakeKernel, count: Counter[str]) -> None:
        self._kernel, self._count = kernel, count

    def __getattr__(self, name: str) -> Any:
        self._count[name] += name in VERBS
        return getattr(self._kernel, name)


def test_a_network_without_limits_costs_nothing() -> None:
    """No verb, no survey and no round asks the kernel about limits, or tells it of any, where nobody wants one."""
    count = Counter[str]()
    kernel: Any = Watched(FakeKernel(Steps()), count)
    world = World(kernel)
    limited(world, {})
    world.reconciler.reconcile()
    world.reconciler.look_at_links({PORT})
    for _ in range(2):  # the first call begins the round
        world.reconciler._rounds._work(lambda: 0.0)
    world.driver.delete_endpoint(rq.ENDPOINT)
    world.bury()

    assert +count == {}


def test_a_round_leaves_limiters_and_finds_those_that_nobody_wants(world: World) -> None:
    """A limiter has no rules, and still belongs to its endpoint; one that is left is deleted."""
    limited(world, BOTH)
    world.kernel.add_ifb("pnifefefefefefe")
    world.kernel.set_alias("pnifefefefefefe", f"pynet/endpoint/{'fe' * 32}/{rq.NETWORK_ID}")
    for _ in range(2):
        world.reconciler._rounds._work(lambda: 0.0)

    assert [name for name in world.kernel.by_name if name.startswith("pni")] == [LIMITER]
    assert world.kernel.redirected == {PORT: LIMITER}


def test_a_network_that_cannot_be_understood_keeps_its_limiters(world: World) -> None:
    """As after a step back to an older pynet: traffic that goes through a limiter must not be cut off."""
    limited(world, BOTH)
    known = world.store.get(Network, rq.NETWORK_ID)
    assert known is not None
    options = {**known.record.options, "pynet.unheard_of": "1"}
    world.store.transact(Put(Network(rq.NETWORK_ID, "bridge", known.record.link, options=options)))
    world.reconciler.reconcile()

    assert world.kernel.redirected == {PORT: LIMITER}


def test_limits_make_auto_choose_small_packets(world: World) -> None:
    """Behind a packet of 192 kB others would wait long; with pynet.gso=on they do, and the bucket has room for it."""
    world.driver.create_network(rq.network(internal=True, options=BOTH))
    world.driver.create_network(
        rq.network("b2" * 32, "10.8.0.1/24", internal=True, options={**BOTH, "pynet.gso": "on"})
    )
    sizes = {item.record.id: item.record.gso for item in world.store.list(Network)}

    assert sizes == {rq.NETWORK_ID: 0, "b2" * 32: BIG}
    assert BridgeMode.settings.read(BOTH).gso == "auto"
