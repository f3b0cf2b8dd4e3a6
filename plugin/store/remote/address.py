"""The address of the cluster store and the credentials for it, as read from the settings, and the names of its keys."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, unquote

from netlink.values import dataclass
from plugin.errors import InvalidRequest


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
    """The files for TLS, in PEM form, and the credentials; Consul takes ``password`` alone, as its token."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    user: str = ""
    password: str = ""

    @property
    def tls(self) -> bool:
        """Whether TLS is used: when a CA or a certificate is given."""
        return self.ca is not None or self.certificate is not None


def read_access(files: Sequence[Path | None], user: str, password_file: Path | None) -> Access:
    """Read the password, and check that ``files`` (CA, certificate, key) can be read.

    Raises:
        InvalidRequest: a file cannot be read, or only one of two settings that belong together is given.
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


def name_of(key: str) -> str:
    """Return the name for a key: percent-encoded, because stores forbid some characters and interpret others.

    It is never empty, and the name of a prefix is a prefix of the name.
    """
    return "=" + quote(key, safe="")


def key_of(name: str) -> str:
    """Return the key of a name."""
    return unquote(name[1:])
