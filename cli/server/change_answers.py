"""Answers the verbs that change running networks and containers."""

from typing import NoReturn

from plugin.errors import PynetError
from plugin.protocol.api import ChangeService
from plugin.protocol.change_messages import (
    Changed,
    PublishPorts,
    Reservation,
    ReserveAddress,
    ResetOptions,
    SetOptions,
    TakeLease,
    TakenLease,
    UnpublishPorts,
)


class ChangeAnswers:
    """Passes the verbs on; see ``plugin.protocol.api.Service``."""

    def __init__(self, changing: ChangeService) -> None:
        self._changing = changing

    def set_options(self, request: SetOptions) -> Changed:
        return self._changing.set_options(request)

    def reset_options(self, request: ResetOptions) -> Changed:
        return self._changing.reset_options(request)

    def publish_ports(self, request: PublishPorts) -> Changed:
        return self._changing.publish_ports(request)

    def unpublish_ports(self, request: UnpublishPorts) -> Changed:
        return self._changing.unpublish_ports(request)

    def reserve_address(self, request: ReserveAddress) -> Reservation:
        return self._changing.reserve_address(request)

    def unreserve_address(self, request: ReserveAddress) -> Reservation:
        return self._changing.unreserve_address(request)

    def take_lease(self, request: TakeLease) -> TakenLease:
        return self._changing.take_lease(request)


class NobodyChanges:
    """Refuses the verbs while no pynet serves: only the process that serves may change something."""

    def __init__(self, nobody: PynetError) -> None:
        self._nobody = nobody

    def _refuse(self, request: object) -> NoReturn:
        del request
        raise self._nobody

    set_options = reset_options = publish_ports = unpublish_ports = reserve_address = unreserve_address = _refuse
    take_lease = _refuse
