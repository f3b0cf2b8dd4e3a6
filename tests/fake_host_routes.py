"""Routes of an imaginary host to single addresses."""

from collections.abc import Sequence
from typing import Any

from netlink.errors import Exists, Missing
from netlink.host_routes import HostRoute
from netlink.links import Link
from plugin.protocol.messages import Address, InterfaceAddress
from tests.fake_sockets import Steps


class FakeHostRoutes:
    """Routes as ``netlink.host_routes.NeighbourRoutes`` sets them; ``taken`` are routes of others."""

    steps: Steps
    by_name: dict[str, Link]

    def __init__(self) -> None:
        self.routes: dict[tuple[str, Address], HostRoute] = {}
        self.taken: set[Address] = set()

    def addresses_of(self, name: str) -> Sequence[InterfaceAddress]:
        raise NotImplementedError

    def set_host_route(self, link: str, route: HostRoute) -> None:
        self.steps.take("set route")
        self._need(link)
        by_others = {to for other, to in self.routes if other != link}
        if route.to in self.taken | by_others:
            raise Exists(f"add route to {route.to} by '{link}': file exists")
        self.routes[link, route.to] = route

    def delete_host_route(self, link: str, to: Address) -> None:
        self.steps.take("delete route")
        self._need(link)
        self.routes.pop((link, to), None)

    def host_routes(self, link: str) -> list[HostRoute]:
        self._need(link)
        return [route for (name, _), route in self.routes.items() if name == link]

    def end_answers(self, link: str) -> None:
        self._need(link)

    def source_addresses(self, link: str) -> list[InterfaceAddress]:
        found = self.by_name.get(link)
        return [*self.addresses_of(link)] if found is not None and found.up else []

    def forget_routes(self, name: str) -> None:
        """Forget the routes by a link that goes."""
        self.routes = {key: route for key, route in self.routes.items() if key[0] != name}

    def _need(self, link: str) -> Any:
        if link not in self.by_name:
            raise Missing(link)
