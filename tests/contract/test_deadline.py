"""Through HTTP: a caller is answered in time, and the sentence says what pynet waits for."""

import threading
from typing import Any

import pytest

from handlers.app import create_app
from plugin.request.execution import WorkerPool
from plugin.request.timing import timed

BODY = '{"NetworkID":"a1","EndpointID":"e0"}'


class Layer:
    """Something that hangs until it is told."""

    def __init__(self) -> None:
        self.open = threading.Event()

    def call(self) -> None:
        """Hang."""
        self.open.wait(10)


class Driver:
    """A driver whose every verb needs the layer."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer

    def __getattr__(self, _: str) -> Any:
        return lambda *_: self._layer.call()


@pytest.mark.parametrize(
    ("layer", "words"), [("nft", "nftables"), ("netlink", "the kernel"), ("store", "the store"), ("x", "x")]
)
def test_whatever_hangs_the_caller_is_answered(layer: str, words: str) -> None:
    """While work hangs, the caller gets status 500 with both keys, and the work goes on."""
    hanging = Layer()
    driver: Any = Driver(timed(layer, hanging))
    client = create_app(driver, driver, WorkerPool(0.05)).test_client()
    answer = client.post("/NetworkDriver.Leave", data=BODY)
    hanging.open.set()

    sentence = f"not done within 0.05 s, waiting for {words}; pynet goes on with it and settles it afterwards"
    assert (answer.status_code, answer.get_json(force=True)) == (500, {"Err": sentence, "Error": sentence})
