"""The ways to pynet's resolver that ``pynet dns setup`` prints."""

import json
from pathlib import Path

import pytest

from cli.commands.dns_setup import DnsHost, as_data, as_text, surroundings, trouble, ways


@pytest.mark.parametrize(("engine", "first"), [("20.10.24", "pynet.dns=hijack"), ("28.5.2", '"dns"'), ("", '"dns"')])
def test_the_version_of_the_engine_decides(engine: str, first: str) -> None:
    """Up to 25 an option of the network is enough; since 26 the engine asks from the host."""
    assert first in ways(DnsHost(engine, ["192.0.2.1"]))[0].lines[0]
    assert bool(trouble(DnsHost(engine))) is not bool(engine)


def test_the_line_for_the_daemon_keeps_the_servers_that_were_there(tmp_path: Path) -> None:
    """Other questions still reach the servers of daemon.json, or else those of the host."""
    (tmp_path / "etc/docker").mkdir(parents=True)
    (tmp_path / "etc/resolv.conf").write_text("search lan\nnameserver 192.0.2.1\n")
    assert ways(surroundings("28.5.2", tmp_path))[0].lines == ['"dns": ["169.254.53.53", "192.0.2.1"]']
    (tmp_path / "etc/docker/daemon.json").write_text('{"dns": ["192.0.2.9"]}')
    assert ways(surroundings("28.5.2", tmp_path))[0].lines == ['"dns": ["169.254.53.53", "192.0.2.9"]']
    (tmp_path / "etc/docker/daemon.json").write_text('{"dns": ["169.254.53.53", "192.0.2.9"]}')
    assert ways(surroundings("28.5.2", tmp_path))[0].done


def test_the_hosts_own_resolver_gets_a_line_if_there_is_one(tmp_path: Path) -> None:
    """With systemd-resolved the servers are those behind it; a host without a resolver gets no such line."""
    assert not [way for way in ways(surroundings("28.5.2", tmp_path)) if ".pynet" in way.title]
    (tmp_path / "run/systemd/resolve").mkdir(parents=True)
    (tmp_path / "run/systemd/resolve/resolv.conf").write_text("nameserver 192.0.2.7\n")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/resolv.conf").write_text("nameserver 127.0.0.53\n")
    (tmp_path / "etc/dnsmasq.conf").touch()
    text = as_text(as_data(surroundings("28.5.2", tmp_path)))
    assert "Domains=~pynet" in text
    assert "server=/pynet/169.254.53.53\n       rebind-domain-ok=/pynet/" in text
    assert json.dumps(["169.254.53.53", "192.0.2.7"]) in text


def test_servers_for_all_links_do_not_go_with_pynets(tmp_path: Path) -> None:
    """With DNS= in resolved.conf systemd-resolved asks these servers for all names, so its way is left out."""
    (tmp_path / "run/systemd/resolve").mkdir(parents=True)
    (tmp_path / "run/systemd/resolve/resolv.conf").write_text("nameserver 169.254.53.53\nnameserver 192.0.2.7\n")
    (tmp_path / "etc/systemd/resolved.conf.d").mkdir(parents=True)
    (tmp_path / "etc/systemd/resolved.conf.d/pynet.conf").write_text("[Resolve]\nDNS=169.254.53.53\n")
    (tmp_path / "etc/systemd/resolved.conf").write_text("[Resolve]\n#DNS=192.0.2.1\n")
    done = surroundings("28.5.2", tmp_path)
    assert [way.done for way in ways(done) if "resolved" in way.title] == [True]
    assert ways(done)[0].lines == ['"dns": ["169.254.53.53", "192.0.2.7"]']
    (tmp_path / "etc/systemd/resolved.conf").write_text("[Resolve]\nDNS=192.0.2.9\n")
    mixed = surroundings("28.5.2", tmp_path)
    assert not [way for way in ways(mixed) if "resolved" in way.title]
    assert "DNS=192.0.2.9 for all links" in trouble(mixed)[0]


def test_what_stands_in_the_way_is_said_first(tmp_path: Path) -> None:
    """An engine whose DNS is broken, and a file that cannot be read."""
    (tmp_path / "etc/docker").mkdir(parents=True)
    (tmp_path / "etc/docker/daemon.json").write_text("{")
    found = trouble(surroundings("29.1.0", tmp_path))
    assert "update it to 29.1.1" in found[0]
    assert "cannot be read" in found[1]
