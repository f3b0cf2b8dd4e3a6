"""The socket is bound carefully."""

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cli.server.socket import bind_socket, bound_sockets
from plugin.errors import Conflict, InvalidRequest


def test_the_socket_is_roots_alone(tmp_path: Path) -> None:
    """Whoever may talk to the socket may change the host's network: mode 0600, in a folder that is made."""
    path = tmp_path / "plugins" / "pynet.sock"
    with bind_socket(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_dead_socket_file_is_replaced(tmp_path: Path) -> None:
    """A killed pynet leaves its file behind, and nothing answers on it."""
    path = tmp_path / "pynet.sock"
    bind_socket(path).close()
    with bind_socket(path), socket.socket(socket.AF_UNIX) as client:
        assert client.connect_ex(str(path)) == 0


def test_a_socket_that_answers_is_left_alone(tmp_path: Path) -> None:
    """Two pynets on one socket would fight; the second one says so and changes nothing."""
    path = tmp_path / "pynet.sock"
    with bind_socket(path), socket.socket(socket.AF_UNIX) as client:
        with pytest.raises(Conflict, match="another process answers there"):
            bind_socket(path, patience=0.1)
        assert client.connect_ex(str(path)) == 0


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    """A mistyped path must not cost the user a file."""
    path = tmp_path / "precious"
    path.write_text("data")

    with pytest.raises(InvalidRequest, match="there is a file that is no socket"):
        bind_socket(path)
    assert path.read_text() == "data"


def test_a_path_that_is_too_long_is_refused(tmp_path: Path) -> None:
    """The kernel allows 107 characters (unix(7))."""
    with pytest.raises(InvalidRequest, match="listen on"):
        bind_socket(tmp_path / ("x" * 120))


def test_the_folder_is_for_all_to_see_and_root_to_write(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The mask of whoever starts pynet does not matter; a folder that others can write is not pynet's to mend."""
    mask = os.umask(0o077)
    try:
        bind_socket(tmp_path / "run" / "pynet.sock").close()
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o755
    assert caplog.text == ""
    (tmp_path / "run").chmod(0o777)
    bind_socket(tmp_path / "run" / "pynet.sock").close()
    assert f"folder '{tmp_path}/run' can be written by others" in caplog.text


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    """An obstacle in the path is named."""
    (tmp_path / "file").touch()
    with pytest.raises(InvalidRequest, match=r"listen on '.*/file/run/pynet\.sock': not a directory"):
        bind_socket(tmp_path / "file" / "run" / "pynet.sock")


def test_sockets_are_removed_at_the_end(tmp_path: Path) -> None:
    """However the block ends, no dead socket is left; one that somebody else has bound since is not touched."""
    one, two = tmp_path / "one.sock", tmp_path / "two.sock"
    with pytest.raises(RuntimeError), bound_sockets([one, two]) as descriptors:
        for descriptor in descriptors:
            os.close(descriptor)
        two.unlink()
        with bind_socket(two):
            raise RuntimeError
    assert not one.exists()
    assert two.exists()


def test_no_socket_is_left_when_the_second_one_cannot_be_bound(tmp_path: Path) -> None:
    """The first one would answer nobody."""
    (tmp_path / "file").write_text("data")
    with pytest.raises(InvalidRequest), bound_sockets([tmp_path / "one.sock", tmp_path / "file"]):
        pass
    assert not (tmp_path / "one.sock").exists()


def test_nothing_heavy_is_loaded_before_the_socket_is_bound() -> None:
    """The engine's first call waits for what is loaded before, and gunicorn's parent would keep all of it in memory."""
    heavy = "flask marshmallow pyroute2 structlog gunicorn kazoo"
    program = f"import sys, cli.server.serve; print(*(set('{heavy}'.split()) & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert loaded.split() == []
