"""Keys of WireGuard: on disk, of other hosts, and while they change."""

import stat
from base64 import b64encode
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

from structlog.testing import capture_logs

from plugin.cluster.secrecy import plan
from plugin.cluster.secrecy.key_file import FILE, KeyFile, KeysInMemory, new_key
from plugin.cluster.secrecy.key_ring import KeyRing
from plugin.cluster.secrecy.life import Life
from plugin.cluster.secrecy.records import HostKeys, PublicKey


def public(number: int) -> str:
    """Return a text that could be a public key."""
    return b64encode(bytes([number]) * 32).decode()


def keys(host: str, *generations: int, sends: int = 0, number: int = 0, life: str = "") -> HostKeys:
    """Return the record of a host, whose keys are its ``number`` and their generation."""
    own = tuple(PublicKey(one, public(16 * number + one), 51830) for one in generations)
    return HostKeys(host, ip_address("192.0.2.9"), own, sends, life)


def test_keys_are_for_root_and_this_machine_alone(tmp_path: Path) -> None:
    """The file is 0600; a copy on another machine or a torn one holds no keys, and no text of a key has the key."""
    file, key = KeyFile(tmp_path, "m1"), new_key(3, 1, 1000)
    file.write([key])
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert list(file.read()) == [key]
    assert list(KeyFile(tmp_path, "m2").read()) == []
    (tmp_path / FILE).write_text((tmp_path / FILE).read_text()[:50])
    assert list(file.read()) == []
    file.write([])
    assert not (tmp_path / FILE).exists()
    assert key.private not in repr(key)


def test_two_hosts_with_one_key_are_no_peers() -> None:
    """And the sentence says what to do; so is a host with this one's key, or of another family."""
    some = [keys("a", 1, number=1), keys("b", 1, number=1), keys("c", 1, number=2), keys("d", 1, number=3)]
    found = plan.usable(some, "me", 4, {public(16 * 2 + 1)})

    assert set(found.others) == {"d"}
    assert "the key of a third host: a state folder was copied" in found.refused["a"]
    assert "the key of this host: a state folder was copied" in found.refused["c"]
    assert "another family" in plan.usable(some, "me", 6, ()).refused["d"]


def test_a_host_that_is_away_holds_a_change_up() -> None:
    """It is never cut off: the old link stays until it has taken the new keys, and is named."""
    others = {"a": keys("a", 1, 2, sends=2, number=1), "b": keys("b", 1, sends=1, number=2)}
    own = [new_key(1, 0, 0), new_key(2, 1, 0)]
    by = plan.ways([1, 2], others, {public(16 + 2)})

    assert by == {"a": 2, "b": 1}
    assert plan.sends([1, 2], others, by) == 0
    assert not plan.is_over(own, 2, list(others.values()))
    assert plan.waits_for([1, 2], by, others) == ["b"]


def test_a_host_with_another_life_becomes_a_new_peer() -> None:
    """WireGuard accepts no greeting older than the last one, so peers forget a host whose clock may have gone back."""
    others = {"a": keys("a", 1, number=1, life="x"), "b": keys("b", 1, number=2, life="y")}
    mine, alive = {public(17), public(33)}, {public(33)}

    assert plan.renewed(others, {"a": "x", "b": "y"}, ()) == set()
    assert plan.renewed(others, {"a": "w", "b": "y"}, mine) == {public(17)}
    assert plan.renewed(others, {}, alive) == {public(17)}  # of the other one nobody knows, and it has a session


def test_old_keys_change_by_themselves() -> None:
    """By the clock of the host that made them, and not while a change is going on."""
    file, now = KeysInMemory(), [100.0]
    ring = KeyRing(file, lambda: now[0], lambda: 0.0)
    ring.need(1)
    now[0] += 30 * 86400 + 1

    assert ring.old(30)
    assert not ring.old(31)
    assert not ring.old(0)
    ring.add(2)
    assert not ring.old(30)
    assert [key.slot for key in file.read()] == [0, 1]


def test_a_key_from_the_future_is_old() -> None:
    """It was made while the clock was wrong, and would be kept for years."""
    now = [4e9]
    ring = KeyRing(KeysInMemory(), lambda: now[0], lambda: 0.0)
    ring.need(1)

    assert not ring.old(30)
    now[0] = 1.8e9
    assert ring.old(30)


def test_a_clock_that_goes_back_begins_another_life() -> None:
    """One that is slewed or goes ahead does not, and neither does another process; a sentence is logged."""
    wall = [5000.0]
    one, two = (Life(lambda: "boot", lambda: wall[0], lambda: 10.0) for _ in range(2))
    begun = one.text("")
    wall[0] -= 0.5
    assert one.text(begun) == two.text(begun) == begun
    wall[0] += 3600
    assert one.text(begun) == begun
    wall[0] -= 3600
    with capture_logs() as logs:
        assert one.text(begun) != begun
    assert "the clock of this host went back by 3600 s" in logs[0]["event"]
    assert two.text("older@4990.000") != begun


def test_bad_records_are_flawed() -> None:
    """Keys of another length, too many, and ports that are none."""
    good = keys("h9", 1, number=1)

    assert good.flaw == ""
    assert "is no public key" in replace(good, keys=(PublicKey(1, "abc", 51830),)).flaw
    assert "'keys' is 0" in replace(good, keys=()).flaw
    assert "'port' is 0" in replace(good, keys=(PublicKey(1, public(1), 0),)).flaw
    assert "'host'" in replace(good, host="a/b").flaw
