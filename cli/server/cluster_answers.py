"""Answers the verbs about the cluster, for ``cli.server.answers``."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cli.settings import Settings
from plugin.cluster.secrecy.upkeep import SecrecyUpkeep
from plugin.errors import Conflict
from plugin.protocol.messages import Countdown
from plugin.protocol.own_messages import ForgottenHost, KeyChange


class ClusterAnswers:
    """See ``plugin.protocol.api.Service``, and ``cli.server.answers.Sources`` for the last two parts."""

    def __init__(
        self, settings: Settings, takeovers: Callable[[], Sequence[Countdown]], secrets: SecrecyUpkeep | None
    ) -> None:
        self._of_host = settings
        self._takeovers = takeovers
        self._secrets = secrets

    def cluster_status(self) -> Mapping[str, Any]:
        """Return the state of the cluster, with the problems of this host's encrypted tunnels."""
        from cli.server.cluster_admin import as_data, status  # a host without a cluster does not load it

        found = as_data(status(self._of_host, self._takeovers))
        names = {host["id"]: host["name"] for host in found["hosts"]}
        return {**found, "problems": [*found["problems"], *(self._secrets.problems(names) if self._secrets else ())]}

    def forget(self, host: str) -> ForgottenHost:
        """Free everything that a dead host holds."""
        from cli.server.cluster_admin import forget

        return forget(self._of_host, host)

    def change_keys(self) -> KeyChange:
        """Begin to change the keys; raises ``Conflict`` outside of the process that serves."""
        if self._secrets is None:
            raise Conflict("change keys: only the pynet that serves has them")
        return KeyChange(self._secrets.rotate())
