"""One plugin as a registry has it, served to the engine of this machine for as long as an upgrade takes.

``docker plugin upgrade`` keeps the state, the settings and the count of networks, and takes nothing but a registry;
``docker plugin rm`` and ``create`` would lose all three. An engine speaks plain HTTP to registries on 127.0.0.0/8.

The engine remembers the reference, and ``docker plugin upgrade NAME`` asks there again, when nobody serves it any more
(moby, plugin/backend_linux.go: PluginReference). So the reference is always the same, and names the command that does
upgrade, as the engine's refusal quotes it. Only root may open its port: no other user can hand out a plugin there.
"""

import gzip
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from tools.plugin.shell import fail

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.plugin.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
LEVEL = 6
REPOSITORY = "type-make-plugin-to-upgrade/pynet"
TAG = "managed"
PORTS = (*range(969, 1024), 0)  # below 1024 for root alone; 0 is any free one, for those who are not root


class Plugin:
    """A manifest and the two blobs that it names."""

    def __init__(self, config: str, archive: Path) -> None:
        tar = archive.read_bytes()
        layer = gzip.compress(tar, LEVEL, mtime=0)
        whole = json.loads(config) | {"rootfs": {"type": "layers", "diff_ids": [digest_of(tar)]}}
        blob = json.dumps(whole, sort_keys=True).encode()
        self.layer = digest_of(tar)
        self.blobs = {digest_of(blob): blob, digest_of(layer): layer}
        self.compressed = len(layer)
        entry = {"mediaType": CONFIG, "size": len(blob), "digest": digest_of(blob)}
        layers = [{"mediaType": LAYER, "size": len(layer), "digest": digest_of(layer)}]
        self.manifest = json.dumps(
            {"schemaVersion": 2, "mediaType": MANIFEST, "config": entry, "layers": layers}, sort_keys=True
        ).encode()
        self.digest = digest_of(self.manifest)


def digest_of(data: bytes) -> str:
    """Return a digest as registries write it."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


@contextmanager
def served(plugin: Plugin) -> Iterator[str]:
    """Serve ``plugin``; yields the reference under which this machine's engine finds it."""

    class Handler(BaseHTTPRequestHandler):
        """Answers the requests of a pull (distribution spec, "Pull")."""

        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            """Answer without the bytes."""
            self._answer(body=False)

        def do_GET(self) -> None:
            """Answer with them."""
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            kind, data = find(plugin, self.path)
            self.send_response(404 if data is None else 200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data or b"")))
            if data is not None:
                self.send_header("Docker-Content-Digest", digest_of(data))
            self.end_headers()
            if body and data is not None:
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Log nothing: the engine reports failures."""

    with _listening(Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}/{REPOSITORY}:{TAG}"
        finally:
            server.shutdown()
            thread.join()


def _listening(handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    for port in PORTS:
        with suppress(OSError):
            return ThreadingHTTPServer(("127.0.0.1", port), handler)
    return fail("no port of 127.0.0.1 is free to hand the plugin to the engine")


def find(plugin: Plugin, path: str) -> tuple[str, bytes | None]:
    """Return the type and the bytes for a path of the API; no bytes if there is no such object."""
    last = path.partition("?")[0].rstrip("/").rpartition("/")[2]
    if path.rstrip("/") == "/v2":
        return "application/json", b"{}"
    if "/manifests/" in path:
        known = not last.startswith("sha256:") or last == plugin.digest
        return MANIFEST, plugin.manifest if known else None
    return "application/octet-stream", plugin.blobs.get(last)
