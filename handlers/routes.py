"""The paths of the HTTP API for pynet's own commands, by verb; the server and the command read this table.

GET is for every user who may open the admin socket, POST for root alone. A later version of the API gets another
first part of its paths, and serves this one as well.
"""

ROUTES = {
    "About": ("GET", "/v1/about"),
    "Settings": ("GET", "/v1/settings"),
    "Status": ("GET", "/v1/status"),
    "Networks": ("GET", "/v1/networks"),
    "Overview": ("GET", "/v1/overview"),
    "Ports": ("GET", "/v1/ports"),
    "Pools": ("GET", "/v1/pools"),
    "Policies": ("GET", "/v1/policies"),
    "Path": ("GET", "/v1/path"),
    "Look": ("GET", "/v1/repairs"),
    "Log": ("GET", "/v1/log"),
    "Drops": ("GET", "/v1/drops"),
    "Traffic": ("GET", "/v1/traffic"),
    "ClusterStatus": ("GET", "/v1/cluster"),
    "Health": ("GET", "/v1/health"),
    "Reconcile": ("POST", "/v1/reconcile"),
    "Backup": ("POST", "/v1/backup"),
    "SetOptions": ("POST", "/v1/options/set"),
    "ResetOptions": ("POST", "/v1/options/reset"),
    "PublishPorts": ("POST", "/v1/ports/publish"),
    "UnpublishPorts": ("POST", "/v1/ports/unpublish"),
    "ReserveAddress": ("POST", "/v1/addresses/reserve"),
    "UnreserveAddress": ("POST", "/v1/addresses/unreserve"),
    "TakeLease": ("POST", "/v1/leases/take"),
    "ForgetHost": ("POST", "/v1/cluster/forget"),
}
HEALTH, METRICS = "/healthz", "/metrics"
