"""Long lists of ports, which are recognised by their bytes."""

from typing import Any

import pytest
from marshmallow import ValidationError

from handlers.schemas.common import EndpointOptionsSchema

KEY = "com.docker.network.portmap"


def ports(**changed: Any) -> dict[str, Any]:
    """Return 500 ports as the engine sends them, the last one with what is ``changed``."""
    listed: list[dict[str, Any]] = [{"Proto": 6, "Port": number} for number in range(1, 501)]
    return {KEY: [*listed[:-1], listed[-1] | changed]}


def test_a_list_that_comes_again_means_the_same() -> None:
    """A list that the engine sends with three requests is read the same each time."""
    schema = EndpointOptionsSchema()
    first, second = (schema.build(schema.load(ports())) for _ in range(2))

    assert first == second
    assert [port.port for port in second.port_map] == list(range(1, 501))


@pytest.mark.parametrize("changed", [{"Proto": True}, {"Port": 500.0}, {"Port": "500"}, {"Port": {}}])
def test_a_list_that_looks_alike_is_not_taken_for_it(changed: dict[str, Any]) -> None:
    """A list with ``true`` or 500.0 is not taken for one with 1 or 500, which Python calls equal."""
    schema = EndpointOptionsSchema()
    schema.load(ports(Proto=1))
    schema.load(ports())
    with pytest.raises(ValidationError):
        schema.load(ports(**changed))
