"""A headless Chromium, spoken to over two pipes (Chrome DevTools Protocol, ``--remote-debugging-pipe``)."""

import base64
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

# The sandbox of Chromium refuses root; the pages are our own.
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--allow-file-access-from-files")


class Browser:
    """One page of a running Chromium."""

    def __init__(self, reader: BinaryIO, writer: BinaryIO) -> None:
        self._reader, self._writer = reader, writer
        self._calls = 0
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return the result of a method.

        Raises:
            RuntimeError: Chromium refused it.
        """
        self._calls += 1
        message = {"id": self._calls, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._writer.write(json.dumps(message).encode() + b"\0")
        self._writer.flush()
        answer = self._next(lambda heard: heard.get("id") == self._calls)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def show(self, page: Path, width: int, height: int, *, dark: bool) -> None:
        """Load a file in a window of that size in CSS pixels, and wait until it is loaded."""
        self.resize(width, height, dark=dark)
        self.visit(page.as_uri())
        self.evaluate("new Promise(done => setTimeout(done, 500))")  # the theme moves things for a moment

    def resize(self, width: int, height: int, *, dark: bool) -> None:
        """Make the window that large, of a user who prefers light or ``dark`` and no motion."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        still = {"name": "prefers-reduced-motion", "value": "reduce"}
        self.call("Emulation.setEmulatedMedia", features=[scheme, still])
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def visit(self, address: str) -> None:
        """Load an address, and wait until it is loaded."""
        self.call("Page.navigate", url=address)
        self._next(lambda heard: heard.get("method") == "Page.loadEventFired")

    def evaluate(self, script: str) -> Any:
        """Return the value of an expression in the page; a promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        return answer["result"].get("value")

    def window(self) -> bytes:
        """Return all that the window shows as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])

    def picture(self, width: int, height: int) -> bytes:
        """Return the upper left part of the page as PNG."""
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        return base64.b64decode(self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)["data"])

    def _next(self, wanted: Any) -> dict[str, Any]:
        while True:
            heard: dict[str, Any] = json.loads(self._message())
            if wanted(heard):
                return heard

    def _message(self) -> bytes:
        message = bytearray()
        while byte := self._reader.read(1):
            if byte == b"\0":
                return bytes(message)
            message += byte
        raise RuntimeError("Chromium ended")


@contextmanager
def browser(program: str) -> Iterator[Browser]:
    """Start Chromium with a profile of its own, and end it."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()

    # Chromium reads from descriptor 3 and writes to 4.
    moved = ["bash", "-c", f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}', program, *FLAGS]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, suppress(BrokenPipeError):
        process = subprocess.Popen(
            [*moved, f"--user-data-dir={profile}", "--remote-debugging-pipe"],
            pass_fds=(theirs_in, theirs_out),
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            with os.fdopen(ours_in, "rb") as reader, os.fdopen(ours_out, "wb") as writer:
                yield Browser(reader, writer)
        finally:
            process.terminate()
            process.wait()
