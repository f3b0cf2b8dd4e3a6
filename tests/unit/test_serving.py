"""The pynet that a command asks, and the hint to start one."""

import socket
from pathlib import Path

import pytest

from cli.client.serving import NotServing, find_serving, sockets
from cli.settings import read_settings
from cli.systemd_unit import how_to_start, place_of, read_environment_file, unit_installed, unit_settings
from plugin.errors import Failed


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """A folder with the unit in it."""
    folder = tmp_path / "system"
    folder.mkdir()
    (folder / "pynet.service").write_text("[Service]\n")
    return folder


def test_a_named_socket_is_the_only_one(tmp_path: Path) -> None:
    """If the user names a socket, the engine's or that of the commands, no other pynet is asked."""
    unit = {"PYNET_SOCKET": "/run/y.sock"}
    assert sockets({"PYNET_SOCKET": "/run/x.sock"}, unit, tmp_path) == [Path("/run/x-admin/admin.sock")]
    assert sockets({"PYNET_ADMIN_SOCKET": "/run/a"} | unit, unit, tmp_path) == [Path("/run/a")]


def test_the_units_socket_comes_first_and_that_of_the_managed_plugin_last() -> None:
    """A managed plugin has its own in the host's folder of plugins, which the plugin itself sees at another place."""
    usual, managed = Path("/run/pynet/pynet.sock"), Path("/run/docker/plugins/pynet-admin/admin.sock")
    inside = read_settings({"PYNET_HOST_SOCKET": "/host/plugins/pynet.sock"}).admin
    assert sockets({}, {}) == [usual, managed, inside]
    unit = {"PYNET_SOCKET": "/run/docker/plugins/web.sock"}
    assert sockets({}, unit) == [Path("/run/pynet/web.sock"), usual, managed, inside]


def test_a_pynet_without_a_socket_for_commands_is_not_taken_for_none(tmp_path: Path) -> None:
    """An older pynet runs and serves: its files are not read instead, and it is named as the one to restart."""
    where = {"PYNET_SOCKET": str(tmp_path / "older.sock")}
    with pytest.raises(NotServing, match="no pynet serves"):
        find_serving(where)
    with socket.socket(socket.AF_UNIX) as holder:
        holder.bind("\0pynet/older")
        with pytest.raises(Failed, match="driver 'older': it has no socket for commands") as found:
            find_serving(where)
    assert not isinstance(found.value, NotServing)


def test_the_file_of_the_unit_is_read_as_systemd_reads_it() -> None:
    """Comments, quotes, escapes, and lines that go on (systemd.exec(5), EnvironmentFile=)."""
    text = '# A=1\n;B=2\n C = plain text \nD=\'a "b" $c\'\nE="x \\"y\\""\nF=one,\\\ntwo\nno line\n=x\n'
    assert read_environment_file(text) == {"C": "plain text", "D": 'a "b" $c', "E": 'x "y"', "F": "one,two"}


def test_the_file_counts_where_there_is_the_unit(tmp_path: Path, units: Path) -> None:
    """The unit's file counts only if the unit is there and not masked."""
    file = tmp_path / "default"
    file.write_text("PYNET_THREADS=64\n")
    assert unit_settings(file, [units]) == {"PYNET_THREADS": "64"}
    assert unit_settings(file, [tmp_path]) == unit_settings(tmp_path / "none", [units]) == {}
    with pytest.raises(Failed, match=f"read settings of the service in '{tmp_path}': is a directory"):
        unit_settings(tmp_path, [units])
    assert (place_of("PYNET_THREADS", "64", file), place_of("PYNET_THREADS", "64", units)) == (f" (in '{file}')", "")


def test_systemctl_is_named_where_it_helps(tmp_path: Path, units: Path) -> None:
    """Systemd has to run, and to know the unit."""
    assert how_to_start([units], tmp_path) == "start it with 'systemctl start pynet.service'"
    assert "pynet serve" in how_to_start([units], tmp_path / "none")
    masked = tmp_path / "masked"
    masked.mkdir()
    (masked / "pynet.service").symlink_to("/dev/null")
    assert not unit_installed([masked, units])
    assert "pynet serve" in how_to_start([masked, units], tmp_path)
