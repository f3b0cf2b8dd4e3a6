"""The pynet that a command asks, and the hint to start one."""

import errno
from pathlib import Path, PosixPath
from typing import NoReturn

import pytest
from click.exceptions import Exit

from cli.client.serving import sockets
from cli.command_line import refusals
from cli.settings import Settings
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
    """If the user names a socket, no other pynet is asked."""
    assert sockets({"PYNET_SOCKET": "/run/x.sock"}, {"PYNET_SOCKET": "/run/y.sock"}, tmp_path) == [Path("/run/x.sock")]


def test_the_units_socket_comes_first_and_those_of_managed_plugins_last(tmp_path: Path) -> None:
    """An engine gives a managed plugin a folder of its own below that of the plugins."""
    (tmp_path / "abc").mkdir()
    (tmp_path / "abc" / "pynet.sock").touch()
    unit, usual, managed = Path("/run/y.sock"), tmp_path / "pynet.sock", tmp_path / "abc/pynet.sock"
    assert sockets({}, {"PYNET_SOCKET": str(unit)}, tmp_path) == [unit, usual, managed]
    assert sockets({}, {}, Path("/run/docker/plugins"))[0] == Path("/run/docker/plugins/pynet.sock")


class Closed(PosixPath):
    """A folder of root's, as a user sees it with Python 3.11: later ones find nothing in it."""

    def glob(self, pattern: str) -> NoReturn:
        """Refuse."""
        raise PermissionError(errno.EACCES, "Permission denied", str(self / pattern))


def test_a_user_who_may_not_look_for_plugins_gets_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """The usual socket is asked, which refuses; and what else is closed to a user is named."""
    assert sockets({}, {}, Closed("/run/closed")) == [Settings.socket.default, Path("/run/closed/pynet.sock")]
    with pytest.raises(Exit), refusals():
        Closed("/run/closed").glob("x")
    assert capsys.readouterr().err == "Error: open '/run/closed/x': permission denied; run it as root\n"


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
