"""``pynet page``: serves the page until Ctrl-C, or until the terminal is gone."""

import os
import secrets
import select
import socket
import subprocess
import sys
import tempfile
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape
from pathlib import Path

import click

from cli.client.serving import find_serving
from cli.page.asking import Asking
from cli.page.document import document
from cli.page.server import LOOPBACK, PageServer

TOKEN = 24  # bytes
WINDOWS = ("DISPLAY", "WAYLAND_DISPLAY")  # variables of a session with a browser
_REMOVER = 'cat >/dev/null; rm -rf -- "$0"'  # waits for the end of the process that holds its input


def serve(port: int, *, show: bool) -> None:
    """Serve the page; ``show`` opens a browser. Ends with ``KeyboardInterrupt``.

    Raises:
        PynetError: no pynet runs, or this user may not ask it, or the port is taken.
    """
    ask = Asking(lambda: find_serving(os.environ).socket)
    with PageServer(port, document(), secrets.token_urlsafe(TOKEN), ask) as server:
        server.orphaned = _reader_is_gone
        click.echo(welcome(server.address, server.server_port, os.environ))
        if not show:
            server.serve_forever()
        with _browser(server.address) as opened:
            server.opened = opened
            server.serve_forever()


def welcome(address: str, port: int, environment: Mapping[str, str]) -> str:
    """Return the address, and on a machine without a screen how to reach it from another one."""
    lines = [address, "", "Open it in a browser. Keep it secret: it has the token of the page. Ctrl-C ends the page."]
    if not any(environment.get(name) for name in WINDOWS):
        there = environment.get("SSH_CONNECTION", "").split()
        user = environment.get("SUDO_USER") or environment.get("USER") or "root"
        host = there[2] if len(there) == 4 else socket.gethostname()
        lines += [
            "From another machine, forward the port with this command, and open the address there:",
            "",
            f"  ssh -N -L {port}:{LOOPBACK}:{port} {user}@{host}",
        ]
    return "\n".join(lines)


def _reader_is_gone() -> bool:
    """Return whether nobody can read the output any more; a terminal that goes ends the process itself (SIGHUP)."""
    watch = select.poll()
    watch.register(sys.stdout, 0)  # POLLHUP and POLLERR are always reported
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in watch.poll(0))


@contextmanager
def _browser(address: str) -> Iterator["Opened"]:
    """Open a browser with a file that leads to the page: every user may read the command line of a process.

    A process of its own removes the file, also after a kill of this one.
    """
    folder = Path(tempfile.mkdtemp(prefix="pynet-page-"))
    remover = subprocess.Popen(["sh", "-c", _REMOVER, folder], stdin=subprocess.PIPE, start_new_session=True)
    opened = Opened(remover)
    try:
        file = folder / "page.html"
        file.write_text(f'<!doctype html><meta http-equiv="refresh" content="0;url={escape(address)}">\n')
        if not webbrowser.open(file.as_uri()):
            click.echo("note: no browser could be started; open the address yourself", err=True)
        yield opened
    finally:
        opened()


class Opened:
    """Removes the file that led the browser to the page, when it is called for the first time."""

    def __init__(self, remover: "subprocess.Popen[bytes]") -> None:
        self._remover = remover

    def __call__(self) -> None:
        """Remove it, and wait until it is gone."""
        if self._remover.stdin and not self._remover.stdin.closed:
            self._remover.stdin.close()
            self._remover.wait()
