"""Takes every address of pynet's pools, as containers would, or releases them: ``Request`` or ``Release``.

Runs by itself with any Python: ``addresses.py SOCKET STATE VERB``.
"""

import http.client
import json
import socket
import sqlite3
import sys
from pathlib import Path


def call(path: str, verb: str, **body: str) -> dict[str, str]:
    """Send a request as the engine does."""
    client = http.client.HTTPConnection("localhost", timeout=30)
    client.sock = socket.socket(socket.AF_UNIX)
    client.sock.connect(path)
    client.request("POST", f"/IpamDriver.{verb}Address", json.dumps(body))
    reply: dict[str, str] = json.loads(client.getresponse().read())
    client.close()
    return reply


def main(path: str, state: str, verb: str) -> None:
    """Do it for every pool of IPv4."""
    kept = Path(state, "taken.json")
    if verb == "Release":
        for pool, address in json.loads(kept.read_text()):
            call(path, verb, PoolID=pool, Address=address)
        kept.unlink()
        return
    connection = sqlite3.connect(f"file:{state}/pynet.db?mode=ro", uri=True)
    pools = [key for (key,) in connection.execute("SELECT key FROM record WHERE kind = 'pool'") if ":" not in key]
    connection.close()
    taken = []
    for pool in pools:
        while address := call(path, verb, PoolID=pool).get("Address"):
            taken.append((pool, address.partition("/")[0]))
    kept.write_text(json.dumps(taken))


if __name__ == "__main__":
    main(*sys.argv[1:])
