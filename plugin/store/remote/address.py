"""Where the cluster store is and how to log in: PYNET_STORE and the settings beside it, read once."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from plugin.errors import InvalidRequest

PORTS = {"etcd": 2379, "zookeeper": 2181, "consul": 8500}
_FORM = "it is not of the form etcd://HOST:PORT,HOST:PORT/PREFIX"
_ENDPOINT = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<host>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]+))?")
_PREFIX = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """Endpoints as (host, port), tried in this order, and the folder of all keys, without slashes around it."""

    scheme: str
    endpoints: tuple[tuple[str, int], ...]
    prefix: str = "pynet"

    def __str__(self) -> str:
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.endpoints)
        return f"{self.scheme}://{hosts}/{self.prefix}"


@dataclass(frozen=True, slots=True)
class Access:
    """Files in PEM form and what to log in with; Consul takes ``password`` alone, as its token."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    user: str = ""
    password: str = ""

    @property
    def tls(self) -> bool:
        """Whether to speak TLS: where there is a CA or a certificate."""
        return self.ca is not None or self.certificate is not None


def parse_store_address(text: str) -> StoreAddress:
    """Read the URL of a cluster store.

    Raises:
        InvalidRequest: it cannot be read; the text names the part.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        raise InvalidRequest(f"read store '{_hidden(text)}': {_FORM}")
    if scheme not in PORTS:
        raise InvalidRequest(f"read store '{_hidden(text)}': '{scheme}' is no store; stores are: {', '.join(PORTS)}")
    if "@" in rest:
        raise InvalidRequest(
            f"read store '{_hidden(text)}': credentials do not belong into the URL; "
            "set PYNET_STORE_USER and PYNET_STORE_PASSWORD_FILE"
        )
    hosts, _, prefix = rest.partition("/")
    prefix = prefix.strip("/") or "pynet"
    if not _PREFIX.fullmatch(prefix):
        raise InvalidRequest(f"read store '{text}': prefix '{prefix}' has other characters than A-Z a-z 0-9 . _ - /")
    endpoints = tuple(_endpoint(text, scheme, part.strip()) for part in hosts.split(","))
    return StoreAddress(scheme, endpoints, prefix)


def _endpoint(text: str, scheme: str, part: str) -> tuple[str, int]:
    found = _ENDPOINT.fullmatch(part)
    if found is None:
        raise InvalidRequest(f"read store '{text}': '{part}' is no HOST:PORT; {_FORM}")
    port = int(found["port"] or PORTS[scheme])
    if not 1 <= port <= 65535:
        raise InvalidRequest(f"read store '{text}': port {port} is not between 1 and 65535")
    return found["six"] or found["host"], port


def _hidden(text: str) -> str:
    """Leave a password out of what is logged."""
    return re.sub(r"[^/@]*@", "***@", text)


def read_access(files: Sequence[Path | None], user: str, password_file: Path | None) -> Access:
    """Read the password and see that ``files`` (CA, certificate, key) are there.

    Raises:
        InvalidRequest: a file cannot be read, or half of a pair is missing.
    """
    ca, certificate, key = files
    if (certificate is None) != (key is None):
        raise InvalidRequest("read store settings: PYNET_STORE_CERT and PYNET_STORE_KEY belong together")
    if user and password_file is None:
        raise InvalidRequest("read store settings: PYNET_STORE_USER needs PYNET_STORE_PASSWORD_FILE")
    for file in files:
        if file is not None:
            _read(file)
    password = "" if password_file is None else _read(password_file).strip("\r\n")
    return Access(ca, certificate, key, user, password)


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidRequest(f"read store settings: file '{file}': {reason.lower()}") from error
