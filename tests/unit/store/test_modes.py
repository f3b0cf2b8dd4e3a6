"""Every file of the state folder is for its owner alone."""

import os
import stat
from pathlib import Path

from cli.server.machine import machine_id
from plugin.cluster.hosts.identity import host_identity
from plugin.store.memory import MemoryStore
from plugin.store.sqlite.files import write_private
from plugin.store.sqlite.lockfile import lock_state


def modes(folder: Path) -> dict[str, int]:
    """Return the modes of the files in ``folder``."""
    return {file.name: stat.S_IMODE(file.lstat().st_mode) for file in folder.iterdir() if not file.is_symlink()}


def test_new_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    """The database, the host's id and the generated machine id are private, whatever the umask."""
    before = os.umask(0)
    try:
        host_identity(MemoryStore(), tmp_path / "host-id")
        machine_id(tmp_path, tmp_path / "none")
        lock_state(tmp_path).release()
    finally:
        os.umask(before)
    assert modes(tmp_path) == {"host-id": 0o600, "machine-id": 0o600, "lock": 0o600}


def test_files_of_older_versions_are_closed(tmp_path: Path) -> None:
    """A start closes files of older versions to others, but follows no link, as its target is not pynet's."""
    (tmp_path / "state").mkdir(0o700)
    for file in (tmp_path / "state" / "host-id", tmp_path / "foreign"):
        file.write_text("x")
        file.chmod(0o644)
    (tmp_path / "state" / "link").symlink_to(tmp_path / "foreign")
    lock_state(tmp_path / "state").release()
    assert modes(tmp_path / "state") == {"host-id": 0o600, "lock": 0o600}
    assert stat.S_IMODE((tmp_path / "foreign").stat().st_mode) == 0o644


def test_a_half_written_file_is_in_nobodys_way(tmp_path: Path) -> None:
    """A half-written file of a crash is overwritten, and the target is replaced as a whole."""
    (tmp_path / "id.part").write_text("half")
    (tmp_path / "id").write_text("old")
    write_private(tmp_path / "id", "new")
    assert ((tmp_path / "id").read_text(), sorted(modes(tmp_path))) == ("new", ["id"])
