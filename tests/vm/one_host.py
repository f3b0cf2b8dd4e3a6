"""One host of an encrypted network, alone in its guest, which does what a test says over the serial line.

The guest's Ethernet card and the host are on a switch of the guest, so that the host is made as those of one guest are.
"""

import os
import traceback
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from plugin.cluster.secrecy.records import HostKeys
from tests.kernel.container import sh
from tests.kernel.hosts import OverlayHost
from tests.vm.etcd import ADDRESS, open_etcd, serve_etcd
from tests.vm.serial import SerialLine
from tests.vm.site import BLUE, ENCRYPTED, PREFIX, WORD, add_switch, carriers, changed, later, pinging

NUMBER = "GUEST"  # in the environment; the host has the address .NUMBER, and its container the next one inside


class OneHost:
    """Its public methods are the verbs of a test, with values of JSON."""

    def __init__(self, number: int) -> None:
        self._number = number

    def plug(self) -> None:
        """Load the card's modules, as nobody else does, and put it on the switch."""
        sh("modprobe virtio_pci; modprobe virtio_net")
        add_switch()
        sh("ip link set eth0 master sw0 up")

    def serve(self) -> None:
        """Serve the store of all hosts, at an address of its own."""
        sh(f"ip addr add {ADDRESS}/24 dev sw0")
        self._server = serve_etcd(Path("/tmp/etcd"))

    def start(self) -> None:
        """Start pynet with the encrypted network, and a container."""
        self._store = open_etcd()
        self._host = OverlayHost(self._store, self._number, PREFIX, 1500)
        self._host.create(ENCRYPTED)
        self._box = self._host.run(BLUE, self._number + 1)

    def reaches(self, address: str) -> bool:
        """Say whether the container reaches another one, now or soon."""
        return later(lambda: self._box.reaches(address))

    def ping(self, address: str) -> None:
        """Send some pings with ``WORD`` from the container."""
        self._box.sh(f"ping -c 3 -W 5 -p {WORD} {address}")

    def ping_in_the_clear(self, address: str) -> None:
        """Send them from the host itself."""
        self._host.sh(f"ping -c 3 -W 5 -p {WORD} {address}")

    def begin_pings(self, address: str) -> None:
        """Ping from the container until told otherwise."""
        self._pings: AbstractContextManager[list[int]] = pinging(self._box, address)
        self._lost = self._pings.__enter__()

    def end_pings(self) -> list[int]:
        """Return the numbers of those that were not answered."""
        self._pings.__exit__(None, None, None)
        return self._lost

    def rotate(self) -> None:
        """Begin a change of keys on all hosts."""
        self._host.do(self._host.pynet.secrecy.rotate)

    def changed(self) -> bool:
        """Say whether all hosts have and use their second key alone, now or soon, by their records."""
        records = lambda: [item.record for item in self._store.list(HostKeys)]  # noqa: E731
        return later(lambda: changed(self._host.do(records)))

    def keys(self) -> list[str]:
        """Return the public keys of the WireGuard links that this kernel has."""
        state = self._host.means.wireguard.state
        return [self._host.do(partial(state, link)).public for link in carriers(self._host)]


def main() -> None:
    """Say that the guest is up, and answer until its end."""
    line, host = SerialLine(), OneHost(int(os.environ[NUMBER]))
    line.send({"value": None})
    while True:
        asked = line.receive()
        try:
            line.send({"value": getattr(host, asked["verb"])(*asked["arguments"])})
        except Exception:  # noqa: BLE001
            line.send({"error": traceback.format_exc()})


if __name__ == "__main__":
    main()
