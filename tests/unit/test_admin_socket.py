"""The socket of the commands is a group's to open."""

import os
import stat
from pathlib import Path

import pytest

from cli.server.admin_socket import admin_socket, open_to
from cli.settings import read_settings
from plugin.errors import InvalidRequest


def test_a_group_may_open_it(tmp_path: Path) -> None:
    """The group is named by its number, or by its name as most users do."""
    path = tmp_path / "run" / "admin.sock"
    with admin_socket(path, str(os.getgid())) as bound:
        assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_gid) == (0o660, os.getgid())
        assert (bound.closed, bound.missing, len(bound.descriptors)) == ("", "", 1)
        os.close(bound.descriptors[0])
    assert not path.exists()


@pytest.mark.parametrize(("group", "why"), [("", ""), ("no-such-group", "there is no group 'no-such-group'")])
def test_without_a_group_it_is_roots_alone(tmp_path: Path, group: str, why: str) -> None:
    """A group that is not there is told; that no group is wanted is not worth a word."""
    path = tmp_path / "admin.sock"
    with admin_socket(path, group) as bound:
        assert (stat.S_IMODE(path.stat().st_mode), bound.closed) == (0o600, why)
        os.close(bound.descriptors[0])


def test_where_it_cannot_be_there_is_none(tmp_path: Path) -> None:
    """A folder that cannot be made, or a file in the way, is a sentence; the file is left alone."""
    (tmp_path / "file").write_text("data")
    with admin_socket(tmp_path / "file" / "admin.sock", "") as bound:
        assert (bound.descriptors, bound.missing.lower()) == ((), f"listen on '{bound.path}': not a directory".lower())
    with admin_socket(tmp_path / "file", "") as bound:
        assert (bound.descriptors, "there is a file that is no socket" in bound.missing) == ((), True)
    assert (tmp_path / "file").read_text() == "data"


def test_the_folder_may_have_the_group(tmp_path: Path) -> None:
    """A group of that name is not known in a managed plugin, but the host's folder has it and gives it to the file."""
    path = tmp_path / "admin.sock"
    path.touch(0o600)
    assert open_to(path, "no-such-group") == "there is no group 'no-such-group'"
    if os.geteuid() == 0:
        os.chown(path, -1, 65533)
        assert (open_to(path, "no-such-group"), stat.S_IMODE(path.stat().st_mode)) == ("", 0o660)
        assert path.stat().st_gid == 65533


def test_a_number_that_is_no_group_is_refused() -> None:
    """The last number means "as it is" to the kernel (chown(2))."""
    with pytest.raises(InvalidRequest, match="'PYNET_ADMIN_GROUP' must be the name or the number of a group"):
        read_settings({"PYNET_ADMIN_GROUP": "4294967295"})


def test_each_driver_has_its_own_socket() -> None:
    """Pynets side by side do not meet, whatever tells them apart."""
    places = [{}, {"PYNET_SOCKET": "/run/docker/plugins/web.sock"}, {"PYNET_SOCKET": "/tmp/a/pynet.sock"}]
    paths = [str(read_settings(place).admin) for place in places]
    assert paths == ["/run/pynet/pynet.sock", "/run/pynet/web.sock", "/tmp/a/pynet-admin/admin.sock"]
