"""Tables of the ``pynet`` command fit the terminal."""

import re

import pytest

from cli.commands import about, options
from cli.tables import as_wrapped_table
from plugin.options.live import live_names, live_option
from plugin.options.network import EndpointSettings
from tests.contract.conftest import Service

ROWS = [["KEY", "VALUE", "MEANING"], ["a", "1", "some words that are long"], ["longer", "2", "short"]]


def test_the_last_column_is_wrapped() -> None:
    """Its other lines stand below it; nothing is wrapped where there is room."""
    assert as_wrapped_table([[*row[:2], f"{row[2]} {'x' * 10}"] for row in ROWS], 54).splitlines()[1:3] == [
        "a       1      some words that are long xxxxxxxxxx",
        "longer  2      short xxxxxxxxxx",
    ]
    wide = as_wrapped_table([*ROWS[:1], ["a", "1", "word " * 12]], 49).splitlines()
    assert wide[1:] == ["a    1      word word word word word word word", "            word word word word word"]


def test_a_narrow_terminal_gets_paragraphs() -> None:
    """Where the last column had no room, each row is a paragraph with the names of its columns."""
    assert as_wrapped_table(ROWS, 24).splitlines() == [
        "a  value: 1",
        "    some words that are",
        "    long",
        "longer  value: 2",
        "    short",
    ]


@pytest.mark.parametrize("width", [80, 200])
def test_settings_and_options_fit_and_have_no_marks(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """No raw Markdown, and no line of words is wider than the terminal."""
    monkeypatch.setenv("COLUMNS", str(width))
    reply = Service().ask("About")[1]
    texts = [about.as_text(about.setting_rows(reply)), options.as_text(options.option_rows())]

    for line in "\n".join(texts).splitlines():
        assert len(line) <= width or " " not in line.strip()
        assert not {"`", "|"} & set(line)


def test_the_list_of_options_tells_which_can_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that "pynet network set" takes are live, for people and for scripts."""
    monkeypatch.setenv("COLUMNS", "200")
    rows = options.option_rows()
    live = {row["key"] for row in rows if row["scope"] == "endpoint" and row["live"]}

    assert live == {live_option(EndpointSettings, "container", name).key for name in live_names(EndpointSettings)}
    assert re.search(r"^pynet.rate_in +- +live ", options.as_text(rows), re.MULTILINE)
    assert re.search(r"^pynet.sticky +off +- ", options.as_text(rows), re.MULTILINE)
