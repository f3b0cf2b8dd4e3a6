"""One declaration per option makes parser, error and table, and a user's text is parsed once."""

import pytest

from plugin.errors import InvalidRequest
from plugin.model.records import Network
from plugin.modes.registry import mode_of
from plugin.options.network import NetworkSettings
from plugin.options.option import Option, OptionSet, flag, option_table, parse_options
from tests.fakes import World
from tests.unit import requests as rq

MTU = NetworkSettings.mtu


def test_values_are_typed_and_default() -> None:
    """Values are typed, and options that the user does not set have the declared default."""
    settings = NetworkSettings.read({MTU.key: "9000"})

    assert settings.mtu == 9000
    assert settings.interface_prefix == "eth"


@pytest.mark.parametrize("text", ["", "1.5", "1500 ", "+5", "65536", "１５", "0x10"])
def test_numbers_are_read_strictly(text: str) -> None:
    """A text that Go's Atoi refuses, or that is out of range, is no number."""
    with pytest.raises(InvalidRequest, match=MTU.key):
        NetworkSettings.read({MTU.key: text})


@pytest.mark.parametrize(("text", "value"), [("true", True), ("T", True), ("1", True), ("0", False), ("False", False)])
def test_flags_are_read_like_go_reads_them(text: str, value: bool) -> None:
    """The built-in driver's spellings keep their meaning."""
    assert flag(text) is value


@pytest.mark.parametrize("text", ["", "yes", "on", "TrUe"])
def test_other_spellings_of_flags_are_refused(text: str) -> None:
    """A spelling of a flag that the built-in driver refuses is refused."""

    class Example(OptionSet):
        flag = Option("com.example.flag", flag, default=False, legal="true or false", help="")

    with pytest.raises(InvalidRequest, match="must be true or false"):
        Example.read({"com.example.flag": text})


def test_the_table_has_a_row_for_every_option() -> None:
    """The documentation is made from the declarations."""
    table = option_table(NetworkSettings.options())

    assert [row.split("`")[1] for row in table.splitlines()[2:]] == [option.key for option in NetworkSettings.options()]


def test_a_subclass_adds_options() -> None:
    """A mode can declare options of its own; the network's are read with them, and others do not know them."""

    class OfMode(NetworkSettings):
        parent = Option("pynet.parent", str, "", legal="a link", help="")

    settings = OfMode.read({"pynet.parent": "eth0", MTU.key: "9000"})

    assert (settings.parent, settings.mtu, OfMode.options()[-1]) == ("eth0", 9000, OfMode.parent)
    with pytest.raises(InvalidRequest, match=r"'pynet.parent' is not known"):
        NetworkSettings.read({"pynet.parent": "eth0"})


def test_settings_cannot_be_changed() -> None:
    """The value of an option cannot be changed."""
    settings = NetworkSettings.read({})

    with pytest.raises(AttributeError, match="cannot be changed"):
        settings.mtu = 1400


def test_equal_texts_are_parsed_once() -> None:
    """Copies of a record share what was read; the parser of an option counts its calls."""
    parsed: list[str] = []

    def parse(text: str) -> str:
        parsed.append(text)
        return text

    class Example(OptionSet):
        word = Option("pynet.word", parse, "", legal="a word", help="")

    assert [Example.read({"pynet.word": text}).word for text in ("a", "a", "b")] == ["a", "a", "b"]
    assert parsed == ["a", "b"]


def test_no_verb_below_the_edge_parses_options(world: World) -> None:
    """CreateNetwork parses its options for every mode and its own, CreateEndpoint its own, and no other verb any."""
    before = parse_options.cache_info().misses
    world.driver.create_network(rq.network(options={MTU.key: "1411"}))
    assert parse_options.cache_info().misses == before + 2
    world.driver.create_endpoint(rq.endpoint(driver_opts={"pynet.guard_allow": "192.0.2.11"}))
    assert parse_options.cache_info().misses == before + 3
    world.driver.join(rq.join())
    world.driver.program_external_connectivity(rq.program(8080))
    world.driver.delete_endpoint(rq.ENDPOINT)
    world.driver.delete_network(rq.NETWORK)
    world.bury()

    assert parse_options.cache_info().misses == before + 3


@pytest.mark.parametrize("other", [{"pynet.publish": "nobody"}, {"pynet.nonsense": "1"}])
def test_a_record_of_a_newer_version_has_what_can_be_read(other: dict[str, str], world: World) -> None:
    """Of a newer version's record the readable options count; a verb that needs all is refused with a sentence."""
    network = Network("n", "bridge", "pn-n", options={**other, MTU.key: "1200", "pynet.forwarding": "off"})

    assert (network.mtu, network.forwards) == (1200, False)
    with pytest.raises(InvalidRequest, match=next(iter(other))):
        mode_of(world.modes, network)
    assert (network.mtu, Network("n", "bridge", "pn-n", options=other).forwards) == (1200, True)
