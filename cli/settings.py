"""Settings are environment variables, with the same name in every form of installation; one declaration each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugin.errors import InvalidRequest
from plugin.options import Option, choice, integer, option_table, read_options, toggle

SOCKET = Option(
    "PYNET_SOCKET", Path, Path("/run/docker/plugins/pynet.sock"), "a path", "unix socket; its name is the driver's name"
)
STATE_DIR = Option("PYNET_STATE_DIR", Path, Path("/var/lib/pynet"), "a path", "folder of the database, mode 0700")
LOG_LEVEL = Option(
    "PYNET_LOG_LEVEL",
    choice("debug", "info", "warning", "error"),
    "info",
    "debug, info, warning or error",
    "least important lines that are logged",
)
LOG_FORMAT = Option(
    "PYNET_LOG_FORMAT",
    choice("auto", "text", "json"),
    "auto",
    "auto, text or json",
    "form of log lines; auto is text on a terminal and JSON elsewhere",
)
THREADS = Option("PYNET_THREADS", integer(16, 256), 32, "16 to 256", "requests that are served at the same time")
POOLS = Option(
    "PYNET_POOLS",
    str,
    "",
    "supernets as CIDR:LENGTH, separated by commas",
    "where pools come from when no subnet is given; a family that is left out has its default, "
    "10.200.0.0/13:24,172.24.0.0/13:24 (2,048 pools each) or a /48 of this host's own in /64s",
)

DOCKER_SOCKET = Option(
    "PYNET_DOCKER_SOCKET",
    lambda text: Path(text) if text else None,
    None,
    "a path",
    "socket of the Docker Engine, to find what it forgot without saying so after a crash; without it nobody asks",
)
DOCKER_GRACE = Option(
    "PYNET_DOCKER_GRACE",
    integer(1, 86400),
    60,
    "a number of seconds from 1 to 86400",
    "how long a network or an endpoint must be unknown to the engine before it is removed",
)
GATEWAY_CHECK = Option(
    "PYNET_GATEWAY_CHECK",
    toggle,
    False,
    "on or off",
    "whether Engine 28 and later ask before they reserve a gateway address, so that isolated networks lose none; "
    "every `docker network create` then takes a sixth longer",
)

SETTINGS: tuple[Option[Any], ...] = (
    SOCKET,
    STATE_DIR,
    LOG_LEVEL,
    LOG_FORMAT,
    THREADS,
    POOLS,
    DOCKER_SOCKET,
    DOCKER_GRACE,
    GATEWAY_CHECK,
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in force."""

    socket: Path
    state_dir: Path
    log_level: str
    log_format: str
    threads: int
    pools: str
    docker_socket: Path | None
    docker_grace: int
    gateway_check: bool

    @property
    def database(self) -> Path:
        """The file of the embedded store."""
        return self.state_dir / "pynet.db"

    @property
    def name(self) -> str:
        """Name of this pynet: Docker calls the driver like the socket, and so are its table and its links' aliases."""
        return self.socket.stem


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings; raises ``InvalidRequest`` for a bad value or an unknown ``PYNET_`` variable."""
    known = {setting.key for setting in SETTINGS}
    unknown = sorted(key for key in environment if key.startswith("PYNET_") and key not in known)
    if unknown:
        raise InvalidRequest(f"setting '{unknown[0]}' is not known; settings are: {', '.join(sorted(known))}")
    values = read_options(SETTINGS, environment)
    return Settings(**{setting.key.removeprefix("PYNET_").lower(): values[setting] for setting in SETTINGS})


def describe(settings: Settings, declared: Sequence[Option[Any]]) -> str:
    """Return the values in force and the documentation table."""
    lines = [f"{o.key}={getattr(settings, o.key.removeprefix('PYNET_').lower())}" for o in declared]
    return "\n".join([*lines, "", option_table(declared).replace("| option |", "| setting |")])
