"""One declaration an option: parser, error and table."""

import pytest

from plugin.errors import InvalidRequest
from plugin.options.network import LINK_PREFIX, MTU, NETWORK_OPTIONS
from plugin.options.option import Option, flag, option_table, read_options


def test_values_are_typed_and_default() -> None:
    """What the user does not set has the declared default."""
    values = read_options(NETWORK_OPTIONS, {MTU.key: "9000"})

    assert values[MTU] == 9000
    assert values[LINK_PREFIX] == "eth"


@pytest.mark.parametrize("text", ["", "1.5", "1500 ", "+5", "65536", "１５", "0x10"])
def test_numbers_are_read_strictly(text: str) -> None:
    """Nothing that Go's Atoi refuses, or that is out of range, is taken for a number."""
    with pytest.raises(InvalidRequest, match=MTU.key):
        read_options(NETWORK_OPTIONS, {MTU.key: text})


@pytest.mark.parametrize(("text", "value"), [("true", True), ("T", True), ("1", True), ("0", False), ("False", False)])
def test_flags_are_read_like_go_reads_them(text: str, value: bool) -> None:
    """The built-in driver's spellings keep their meaning."""
    assert flag(text) is value


@pytest.mark.parametrize("text", ["", "yes", "on", "TrUe"])
def test_other_spellings_of_flags_are_refused(text: str) -> None:
    """What the built-in driver refuses is refused."""
    option = Option("com.example.flag", flag, default=False, legal="true or false", help="")

    with pytest.raises(InvalidRequest, match="must be true or false"):
        read_options([option], {option.key: text})


def test_the_table_has_a_row_for_every_option() -> None:
    """The documentation is made from the declarations."""
    table = option_table(NETWORK_OPTIONS)

    assert [row.split("`")[1] for row in table.splitlines()[2:]] == [option.key for option in NETWORK_OPTIONS]
