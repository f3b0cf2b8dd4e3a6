"""The stages of a start are read from the log of a real engine."""

from bench.processes import STAGES, stages

LINES = """
time="2026-11-28T14:24:00.100000000Z" level=debug msg="handling POST request" request-url=/containers/4dd/start
time="2026-11-28T14:24:00.150000000Z" level=debug msg="bundle dir created" module=libcontainerd
time="2026-11-28T14:24:00.300000000Z" level=debug msg=event module=libcontainerd namespace=moby topic=/tasks/create
time="2026-11-28T14:24:00.301000000Z" level=debug msg="RequestAddress(LocalDefault/172.18.0.0/16, <nil>, map[])"
time="2026-11-28T14:24:00.309000000Z" level=debug msg="e64 (8f7).addSvcRecords(box, 172.18.0.2, <nil>, true) sid:e64"
time="2026-11-28T14:24:00.310000000Z" level=debug msg="e64 (8f7).addSvcRecords(4dd, 172.18.0.2, <nil>, false) sid:e64"
time="2026-11-28T14:24:00.312000000Z" level=debug msg="/usr/sbin/iptables, [--wait -t nat -C OUTPUT -d 127.0.0.11]"
time="2026-11-28T14:24:00.316000000Z" level=debug msg="iptables, [--wait -t nat -I DOCKER_POSTROUTING -p udp --sport 1]"
time="2026-11-28T14:24:00.330000000Z" level=debug msg="iptables, [--wait -t nat -I DOCKER_POSTROUTING -p tcp --sport 2]"
time="2026-11-28T14:24:00.350000000Z" level=debug msg="link has been set to up" iface=eth0
time="2026-11-28T14:24:00.353000000Z" level=debug msg="EnableService 4dd START"
time="2026-11-28T14:24:00.354000000Z" level=debug msg="EnableService 4dd DONE"
time="2026-11-28T14:24:00.374000000Z" level=debug msg=event module=libcontainerd namespace=moby topic=/tasks/start
"""


def test_the_stages_of_a_start_add_up() -> None:
    """Each stage lasts from its own line to the next stage's, so no time is lost or counted twice."""
    found = stages(LINES.splitlines())

    assert [round(found[stage]) for stage in STAGES.values() if stage] == [201, 8, 3, 18, 20, 4, 20]
    assert round(sum(found.values())) == 274
