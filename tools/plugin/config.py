"""``config.json`` of the managed plugin, made from the settings (``make lint`` writes it).

python3 -m tools.plugin.config
"""

import json
from pathlib import Path
from typing import Any

from cli.settings import SETTINGS, Settings
from tools.plugin.contents import COMMAND, GUIDE

FILE = Path(__file__).parents[2] / "config.json"
HOST = "/host"
# What differs from the defaults: where things of the host are seen in the plugin, and who reads its log.
VALUES = {
    Settings.host_socket.key: f"{HOST}/plugins/pynet.sock",
    Settings.sysctl_dir.key: f"{HOST}/sys",
    Settings.log_format.key: "engine",
}
UNUSABLE = (Settings.docker_socket,)  # the plugin does not see the engine's socket, which would make it root
# NET_ADMIN is for links, addresses, routes, nftables, conntrack and sysctls. The engine adds fourteen by itself
# (moby daemon/pkg/oci/caps), among them NET_BIND_SERVICE for published ports and DAC_OVERRIDE.
CAPABILITIES = ["CAP_NET_ADMIN"]


def config() -> dict[str, Any]:
    """Return the configuration, as moby reads it (api/types/plugin.go: Config)."""
    return {
        "description": "Network driver and address manager",
        "documentation": f"/{GUIDE}",
        "entrypoint": [f"/{COMMAND}", "serve"],
        "workdir": "/",
        "interface": {
            "types": ["docker.networkdriver/1.0", "docker.ipamdriver/1.0"],
            "socket": Settings.socket.default.name,
        },
        "network": {"type": "host"},
        "linux": {"capabilities": CAPABILITIES},
        "propagatedMount": str(Settings.state_dir.default),
        "mounts": [
            _mount("plugins", "the engine finds the driver 'pynet' here", "/run/docker/plugins", f"{HOST}/plugins"),
            _mount("sysctl", "forwarding is turned on here", "/proc/sys/net", f"{HOST}/sys/net"),
        ],
        "env": [_setting(option.key, option.help, option.default) for option in SETTINGS if option not in UNUSABLE],
    }


def _mount(name: str, description: str, source: str, destination: str) -> dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "source": source,
        "destination": destination,
        "type": "bind",
        "options": ["bind", "rw"],
        "settable": ["source"],
    }


def _setting(key: str, meaning: str, default: object) -> dict[str, Any]:
    value = VALUES.get(key, "" if default is None else str(default))
    return {"name": key, "description": meaning, "value": value, "settable": ["value"]}


def text() -> str:
    """Return the file's text."""
    return json.dumps(config(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
