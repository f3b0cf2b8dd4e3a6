"""``pynet reconcile --dry-run`` understands networks of every mode."""

from ipaddress import ip_interface
from pathlib import Path

from cli.server.outside import look
from cli.settings import read_settings
from plugin.model.records import Network, NetworkSubnet, Overlay
from plugin.store.base import Put
from plugin.store.sqlite.store import SqliteStore

GATEWAY = ip_interface("10.9.0.1/24")
BLUE = Network(
    "a1" * 32,
    "overlay",
    "pn-a1a1a1a1a1a1",
    subnets=(NetworkSubnet(GATEWAY.network, GATEWAY),),
    mac="02:00:00:00:00:01",
    overlay=Overlay("blue", 5000, 4789, 1450),
)


def test_an_overlay_network_is_understood(tmp_path: Path) -> None:
    """After a reboot a dry run finds an overlay network's bridge and tunnel missing, even without its store."""
    settings = read_settings({"PYNET_STATE_DIR": str(tmp_path)})
    store = SqliteStore(settings.database)
    store.transact(Put(BLUE))
    store.close()

    missing = [found.sentence for found in look(settings) if found.kind == "LinkMissing"]
    assert missing == [
        f"link '{name}' of network 'a1a1a1a1a1a1' is missing: make it again"
        for name in ("pn-a1a1a1a1a1a1", "pnv" + "a1" * 6)
    ]
    assert "NetworkUnclear" not in {found.kind for found in look(settings)}
