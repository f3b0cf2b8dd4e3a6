"""How the routes of a container are written for the engine."""

from ipaddress import IPv4Address, IPv4Network

from handlers.schemas.replies import JoinReplySchema
from plugin.protocol.messages import JoinReply, StaticRoute


def test_routes_have_the_numbers_of_the_engine() -> None:
    """A route with a next hop is of type 0, one on the link itself of type 1."""
    hop = StaticRoute(IPv4Network("10.0.0.0/8"), IPv4Address("192.168.1.1"))
    reply = JoinReply("pnc0", "eth", static_routes=(hop, StaticRoute(IPv4Network("0.0.0.0/0"))))

    assert JoinReplySchema().dump(reply)["StaticRoutes"] == [
        {"Destination": "10.0.0.0/8", "RouteType": 0, "NextHop": "192.168.1.1"},
        {"Destination": "0.0.0.0/0", "RouteType": 1, "NextHop": ""},
    ]
