"""The paths of the HTTP API for pynet's own commands, by verb; the server and the command read this table.

GET is for every user who may open the admin socket, POST for root alone. A later version of the API gets another
first part of its paths, and serves this one as well.
"""

from enum import Enum, auto
from typing import NamedTuple


class Needs(Enum):
    """The source of an answer, beside the settings; the command itself answers from files while no pynet serves."""

    NOTHING = auto()
    STATE = auto()  # the files of the state folder
    PROCESS = auto()  # the process that serves


class VerbRoute(NamedTuple):
    """The place of a verb in the API."""

    method: str
    path: str
    needs: Needs = Needs.NOTHING


ROUTES = {
    "About": VerbRoute("GET", "/v1/about"),
    "Settings": VerbRoute("GET", "/v1/settings"),
    "Status": VerbRoute("GET", "/v1/status", Needs.PROCESS),
    "Networks": VerbRoute("GET", "/v1/networks", Needs.STATE),
    "Overview": VerbRoute("GET", "/v1/overview", Needs.PROCESS),
    "Ports": VerbRoute("GET", "/v1/ports", Needs.STATE),
    "Pools": VerbRoute("GET", "/v1/pools", Needs.STATE),
    "Names": VerbRoute("GET", "/v1/names", Needs.PROCESS),
    "Resolver": VerbRoute("GET", "/v1/resolver", Needs.PROCESS),
    "Policies": VerbRoute("GET", "/v1/policies", Needs.STATE),
    "Path": VerbRoute("GET", "/v1/path", Needs.STATE),
    "Look": VerbRoute("GET", "/v1/repairs", Needs.STATE),
    "Log": VerbRoute("GET", "/v1/log", Needs.PROCESS),
    "Drops": VerbRoute("GET", "/v1/drops", Needs.PROCESS),
    "Traffic": VerbRoute("GET", "/v1/traffic", Needs.STATE),
    "ClusterStatus": VerbRoute("GET", "/v1/cluster"),
    "Health": VerbRoute("GET", "/v1/health", Needs.PROCESS),
    "Reconcile": VerbRoute("POST", "/v1/reconcile", Needs.PROCESS),
    "Backup": VerbRoute("POST", "/v1/backup", Needs.STATE),
    "SetOptions": VerbRoute("POST", "/v1/options/set", Needs.PROCESS),
    "ResetOptions": VerbRoute("POST", "/v1/options/reset", Needs.PROCESS),
    "PublishPorts": VerbRoute("POST", "/v1/ports/publish", Needs.PROCESS),
    "UnpublishPorts": VerbRoute("POST", "/v1/ports/unpublish", Needs.PROCESS),
    "ReserveAddress": VerbRoute("POST", "/v1/addresses/reserve", Needs.PROCESS),
    "UnreserveAddress": VerbRoute("POST", "/v1/addresses/unreserve", Needs.PROCESS),
    "TakeLease": VerbRoute("POST", "/v1/leases/take", Needs.PROCESS),
    "ForgetHost": VerbRoute("POST", "/v1/cluster/forget"),
    "ChangeKeys": VerbRoute("POST", "/v1/cluster/keys", Needs.PROCESS),
}
HEALTH, METRICS = "/healthz", "/metrics"
