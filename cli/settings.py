"""Settings are environment variables, with the same names in every form of installation; one declaration each."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cli.listen_place import parse_place
from cli.systemd_unit import place_of
from plugin.cluster.secrecy.ports import PORT
from plugin.errors import InvalidRequest
from plugin.ipam.supernets import parse_supernets
from plugin.options.option import Option, OptionSet, choice, default_text, integer, toggle
from plugin.protocol.own_messages import SettingInForce
from plugin.store.remote.address import Access, read_access
from plugin.store.remote.factory import parse_store_address
from plugin.swarm.scopes import LOCAL, SWARM

PLUGINS = Path("/run/docker/plugins")  # here the engine looks for sockets of plugins
MOUNTED = Path("/host/plugins")  # the same folder of the host, as the managed plugin sees it
RUN = Path("/run/pynet")
NO_GROUP = 0xFFFFFFFF  # chown(2) leaves the group as it is


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _pools(text: str) -> str:
    parse_supernets(text, "")  # a bad value is refused at once; the real supernets also depend on the machine
    return text


def _group(text: str) -> str:
    if text.isdigit() and int(text) >= NO_GROUP:
        raise ValueError(text)
    return text


def admin_place(socket: Path, host_socket: Path | None = None) -> Path:
    """Return the path of the admin socket of a pynet that serves ``socket``, where no setting names another.

    It is not in the folder of plugins itself, because the engine takes every socket there for a plugin's; nor is it
    two folders deep under its own name (moby pkg/plugins/discovery.go).
    """
    if host_socket is None and socket.parent == PLUGINS:
        return RUN / f"{socket.stem}.sock"
    beside = host_socket or socket
    return beside.with_name(f"{beside.stem}-admin") / "admin.sock"


def _sysctl_dir(text: str) -> Path:
    if not (Path(text) / "net/ipv4").is_dir():
        raise ValueError(text)
    return Path(text)


class Settings(OptionSet):
    """The settings: of the class the declarations, of an object the values in force."""

    socket = Option(
        "PYNET_SOCKET",
        Path,
        PLUGINS / "pynet.sock",
        "a path",
        "unix socket; its name is the driver's name",
    )
    host_socket = Option(
        "PYNET_HOST_SOCKET",
        _path,
        None,
        "a path",
        "a second unix socket to serve; the managed plugin has one in the host's folder of plugins, so that the engine "
        "knows the driver as `pynet`, without a tag",
    )
    admin_socket = Option(
        "PYNET_ADMIN_SOCKET",
        _path,
        None,
        "a path",
        "unix socket on which the commands ask; without it `/run/pynet/NAME.sock` for the driver NAME, and "
        "`NAME-admin/admin.sock` beside the engine's socket if that is not in `/run/docker/plugins`",
    )
    admin_group = Option(
        "PYNET_ADMIN_GROUP",
        _group,
        "docker",
        "the name or the number of a group",
        "its members may use the commands that change nothing; empty for root alone",
    )
    state_dir = Option("PYNET_STATE_DIR", Path, Path("/var/lib/pynet"), "a path", "folder of the database, mode 0700")
    log_level = Option(
        "PYNET_LOG_LEVEL",
        choice("debug", "info", "warning", "error"),
        "info",
        "debug, info, warning or error",
        "lowest level of lines that are logged",
    )
    log_format = Option(
        "PYNET_LOG_FORMAT",
        choice("auto", "text", "json", "journal", "engine"),
        "auto",
        "auto, text, json, journal or engine",
        "form of log lines: auto is text on a terminal, fields for the journal under systemd, and JSON elsewhere; "
        "engine is for the log of dockerd, which adds the time itself",
    )
    threads = Option(
        "PYNET_THREADS", integer(16, 256), 32, "16 to 256", "number of requests that are served at the same time"
    )
    pools = Option(
        "PYNET_POOLS",
        _pools,
        "",
        "supernets as CIDR:LENGTH, separated by commas",
        "pools for networks without a subnet; a family that is left out keeps its default: "
        "10.200.0.0/13:24,172.24.0.0/13:24 (2,048 pools each), or the /64s of a /48 that this host alone uses",
    )
    docker_socket = Option(
        "PYNET_DOCKER_SOCKET",
        _path,
        None,
        "a path",
        "socket of the Docker Engine, such as /run/docker.sock; if set, pynet regularly asks the engine and removes "
        "what the engine lost in a crash",
    )
    docker_grace = Option(
        "PYNET_DOCKER_GRACE",
        integer(1, 86400),
        60,
        "a number of seconds from 1 to 86400",
        "how long the engine must not know a network, an endpoint, a pool or an address before pynet removes it",
    )
    sysctl_dir = Option(
        "PYNET_SYSCTL_DIR",
        _sysctl_dir,
        Path("/proc/sys"),
        "a folder with the kernel's settings",
        "folder in which pynet changes settings below `net`; choose another one if the default is read-only",
    )
    metrics = Option(
        "PYNET_METRICS",
        lambda text: parse_place(text) if text else None,
        None,
        "a port, ADDRESS:PORT or [ADDRESS]:PORT",
        "where Prometheus reads the metrics by TCP, by default nowhere; without an address on 127.0.0.1",
    )
    metrics_endpoints = Option(
        "PYNET_METRICS_ENDPOINTS",
        integer(0, 100_000),
        1000,
        "0 to 100000",
        "number of endpoints, and of published ports, with series of their own in the metrics; the others are in the "
        "totals of their network alone",
    )
    gateway_check = Option(
        "PYNET_GATEWAY_CHECK",
        toggle,
        True,
        "on or off",
        "whether Engine 28 and later ask before they reserve a gateway address, so that isolated networks reserve none "
        "and a bad option is refused before an address is taken",
    )
    dns = Option(
        "PYNET_DNS",
        toggle,
        True,
        "on or off",
        "whether pynet's resolver runs while a network has `pynet.dns`; with `off` questions of such networks are "
        "refused at once",
    )
    scope = Option(
        "PYNET_SCOPE",
        choice(LOCAL, SWARM),
        LOCAL,
        f"{LOCAL} or {SWARM}",
        "whether the engine takes networks for those of this host or of its swarm; `swarm` needs the managed plugin "
        "and PYNET_STORE on every node",
    )
    store = Option(
        "PYNET_STORE",
        lambda text: parse_store_address(text) if text else None,
        None,
        "etcd, zookeeper or consul as etcd://HOST:PORT,HOST:PORT/PREFIX",
        "store that hosts share, for networks over several hosts; list all servers of one cluster, pynet uses one "
        "that answers",
    )
    store_ca = Option("PYNET_STORE_CA", _path, None, "a path", "CA that signed the store's certificate; turns TLS on")
    store_cert = Option(
        "PYNET_STORE_CERT", _path, None, "a path", "certificate of this host for the store; turns TLS on"
    )
    store_key = Option("PYNET_STORE_KEY", _path, None, "a path", "private key of that certificate")
    store_user = Option("PYNET_STORE_USER", str, "", "a name", "user of the store")
    store_password_file = Option(
        "PYNET_STORE_PASSWORD_FILE", _path, None, "a path", "file with the user's password; for Consul with the token"
    )
    advertise = Option(
        "PYNET_ADVERTISE",
        str,
        "",
        "an address of this host or the name of a link",
        "address at which other hosts reach this one; by default the source address of the route to the store",
    )

    wireguard_port = Option(
        "PYNET_WIREGUARD_PORT",
        integer(1, 65534),
        PORT,
        "a number from 1 to 65534",
        "first of two UDP ports to which other hosts send encrypted networks (`pynet.encrypt`); the second is the next "
        "one, and used while keys are changed",
    )
    key_days = Option(
        "PYNET_KEY_DAYS",
        integer(0, 3650),
        30,
        "0 to 3650",
        "days after which the hosts change the keys of encrypted networks, without losing a packet; 0 for never",
    )

    @property
    def access(self) -> Access:
        """How to log in to the cluster store; raises ``InvalidRequest`` if one of its files cannot be read."""
        return read_access((self.store_ca, self.store_cert, self.store_key), self.store_user, self.store_password_file)

    @property
    def admin(self) -> Path:
        """Path of the socket on which the commands ask."""
        return self.admin_socket or admin_place(self.socket, self.host_socket)

    @property
    def database(self) -> Path:
        return self.state_dir / "pynet.db"

    @property
    def name(self) -> str:
        """Name of this pynet: Docker names the driver after the socket, and pynet its tables and aliases of links."""
        return self.socket.stem


SETTINGS = Settings.options()

# Variables of the tools and tests of this repository: pynet may be started in a shell that exports them.
TOOL_VARIABLES = frozenset(
    {
        "PYNET_CLUSTER_STORE",
        "PYNET_COMMAND",
        "PYNET_ENGINES",
        "PYNET_ENGINE_CACHE",
        "PYNET_EXAMPLES",
        "PYNET_FORM",
        "PYNET_FORMS",
        "PYNET_LAB",
        "PYNET_PLUGIN_CACHE",
        "PYNET_RUN_DIR",
        "PYNET_STORM_REQUESTS",
        "PYNET_STORM_SECONDS",
        "PYNET_STORM_SEED",
        "PYNET_TEST_NAMES",
        "PYNET_TEST_TUNNEL",
        "PYNET_VM_LIMIT",
    }
)


def read_settings(environment: Mapping[str, str], place: Callable[[str, str], str] = place_of) -> Settings:
    """Read the settings; ``place`` returns the words that say where a key got its value, as far as that is known.

    Raises:
        InvalidRequest: a bad value, or an unknown ``PYNET_`` variable.
    """
    known = {setting.key for setting in SETTINGS}
    unknown = sorted(key for key in environment if key.startswith("PYNET_") and key not in known | TOOL_VARIABLES)
    if unknown:
        where = place(unknown[0], environment[unknown[0]])
        raise InvalidRequest(f"setting '{unknown[0]}' is not known{where}; settings are: {', '.join(sorted(known))}")
    settings = Settings()
    vars(settings).update({name: _value(one, environment, place) for name, one in Settings.by_name().items()})
    return settings


def in_force(settings: Settings) -> Sequence[SettingInForce]:
    """Return the settings as texts, with their origins."""
    found = []
    for name, setting in Settings.by_name().items():
        value = getattr(settings, name)
        origin = "default" if value == setting.default else "environment"
        found.append(SettingInForce(setting.key, default_text(value), origin))
    return found


def _value(setting: Option[Any], environment: Mapping[str, str], place: Callable[[str, str], str]) -> Any:
    text = environment.get(setting.key)
    if text is None:
        return setting.default
    try:
        return setting.parse(text)
    except ValueError:
        where = place(setting.key, text)
        raise InvalidRequest(f"setting '{setting.key}' must be {setting.legal}, not '{text}'{where}") from None
    except InvalidRequest as error:
        raise InvalidRequest(f"setting '{setting.key}': {error}{place(setting.key, text)}") from error
