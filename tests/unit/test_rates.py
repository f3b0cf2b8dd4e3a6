"""Rates and amounts as users write them."""

import pytest

from plugin.options.network import EndpointSettings, NetworkSettings
from plugin.options.rates import OFF, Amount, Rate, amount, rate

READ = {
    "64kbit": 64_000,
    "500kbit": 500_000,
    "10mbit": 10_000_000,
    "10Mbit": 10_000_000,
    "1.5gbit": 1_500_000_000,
    "2mbyte": 16_000_000,
    "1tbit": 10**12,
    "off": 0,
}
REFUSED = [
    "",
    "10",
    "0",
    "10m",
    "10mbps",
    "-1mbit",
    "1e3mbit",
    "10 mbit",
    "10kbit",
    "1.1tbit",
    "0kbit",
    "١mbit",
    "mbit",
]


@pytest.mark.parametrize("text", READ)
def test_a_rate_is_read_in_bits_a_second(text: str) -> None:
    """Prefixes are powers of 1,000, a byte has eight bits, and "off" is no limit."""
    assert rate(text) == Rate(READ[text])
    assert rate(str(rate(text))) == rate(text)


@pytest.mark.parametrize("text", ["100kbyte", "1mbyte", "8mbit", "1.5mbyte"])
def test_an_amount_is_read_in_bytes(text: str) -> None:
    """An amount has the units of a rate, and its text is read as the same amount."""
    expected = {"100kbyte": 100_000, "1mbyte": 1_000_000, "8mbit": 1_000_000, "1.5mbyte": 1_500_000}
    assert amount(text) == Amount(expected[text])
    assert amount(str(amount(text))) == amount(text)


@pytest.mark.parametrize("text", REFUSED)
@pytest.mark.parametrize("kind", [NetworkSettings, EndpointSettings])
@pytest.mark.parametrize("key", ["pynet.rate_in", "pynet.rate_out", "pynet.burst_in", "pynet.burst_out"])
def test_anything_else_is_refused_with_a_sentence(
    kind: type[NetworkSettings | EndpointSettings], key: str, text: str
) -> None:
    """A number alone could mean bits or bytes, and the sentence says so."""
    flaw = kind.readable({key: text}).flaw

    assert flaw.startswith(f"option '{key}' must be ")
    assert "a number alone could be bits or bytes" in flaw
    assert flaw.endswith(f"not '{text}'")


def test_an_endpoint_says_nothing_by_default() -> None:
    """Without an option of its own an endpoint has the limits of its network, and "off" is an option of its own."""
    assert EndpointSettings.read({}).rate_in is None
    assert EndpointSettings.read({"pynet.rate_in": "off"}).rate_in == OFF == NetworkSettings.read({}).rate_in
