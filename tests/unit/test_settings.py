"""Settings come from the environment."""

import re
from pathlib import Path

import pytest

from cli.settings import SETTINGS, TOOL_VARIABLES, in_force, read_settings
from cli.systemd_unit import place_of
from plugin.errors import InvalidRequest

ROOT = Path(__file__).parents[2]
READ = re.compile(r'os\.environ(?:\.get\(|\[)"(PYNET_[A-Z_]+)"|\$\{?(PYNET_[A-Z_]+)')  # in Python and in shells


def test_defaults_need_no_environment() -> None:
    """Without any variable pynet serves where the engine looks."""
    settings = read_settings({"PATH": "/bin"})

    assert settings.socket == Path("/run/docker/plugins/pynet.sock")
    assert (settings.name, settings.threads) == ("pynet", 32)


def test_the_name_is_the_sockets() -> None:
    """Two pynets side by side have names, tables and link aliases of their own."""
    assert read_settings({"PYNET_SOCKET": "/run/docker/plugins/second.sock"}).name == "second"


@pytest.mark.parametrize(
    ("variable", "value", "rule"),
    [
        ("PYNET_LOG_LEVEL", "loud", "must be debug, info, warning or error, not 'loud'"),
        ("PYNET_THREADS", "2", "must be 16 to 256, not '2'"),
        ("PYNET_METRICS_ENDPOINTS", "-1", "must be 0 to 100000, not '-1'"),
        *(
            ("PYNET_METRICS", bad, rf"must be a port, ADDRESS:PORT or \[ADDRESS\]:PORT, not '{re.escape(bad)}'")
            for bad in (
                "0",
                "65536",
                "x",
                "localhost:80",
                "::1:80",
                "[127.0.0.1]:80",
                "127.0.0.1:",
                ":80",
                "[fe80::1%2]:1",
            )
        ),
        ("PYNET_SOKET", "/x", "'PYNET_SOKET' is not known"),
    ],
)
def test_bad_settings_are_refused(variable: str, value: str, rule: str) -> None:
    """The sentence names the variable, the value and what is legal."""
    with pytest.raises(InvalidRequest, match=rule):
        read_settings({variable: value})


@pytest.mark.parametrize(
    ("text", "place", "is_open"),
    [("9717", "127.0.0.1:9717", False), ("[::1]:80", "[::1]:80", False), ("0.0.0.0:80", "0.0.0.0:80", True)],
)
def test_metrics_are_for_this_host_unless_an_address_is_named(text: str, place: str, is_open: bool) -> None:
    """A port alone is one of 127.0.0.1, and ``pynet settings`` prints the address."""
    settings = read_settings({"PYNET_METRICS": text})

    assert settings.metrics is not None
    assert (str(settings.metrics), settings.metrics.is_open) == (place, is_open)
    assert {one.key: one.value for one in in_force(settings)}["PYNET_METRICS"] == place


def test_the_settings_in_force_say_where_they_are_from() -> None:
    """The settings in force are listed once, as texts with their origins, without the password itself."""
    found = {one.key: one for one in in_force(read_settings({"PYNET_THREADS": "64", "PYNET_STORE": "etcd://h"}))}

    assert list(found) == [setting.key for setting in SETTINGS]
    assert (found["PYNET_THREADS"].value, found["PYNET_THREADS"].origin) == ("64", "environment")
    assert found["PYNET_STORE"].value == "etcd://h:2379/pynet"
    assert (found["PYNET_STORE_CA"].value, found["PYNET_STORE_CA"].origin) == ("", "default")


def test_a_bad_setting_names_the_file_that_it_stands_in(tmp_path: Path) -> None:
    """A bad setting names the unit's file only if that file has the bad value."""
    file = tmp_path / "default"
    file.write_text('PYNET_THREADS="2"\nPYNET_POOLS=10.0.0.0/8\n')

    def read(**environment: str) -> None:
        read_settings(environment, lambda key, value: place_of(key, value, file))

    with pytest.raises(InvalidRequest, match=rf"'PYNET_THREADS' must be 16 to 256, not '2' \(in '{file}'\)"):
        read(PYNET_THREADS="2")
    with pytest.raises(InvalidRequest, match=r"not '3'$"):
        read(PYNET_THREADS="3")
    with pytest.raises(InvalidRequest, match=rf"'PYNET_POOLS': read supernet .* \(in '{file}'\)"):
        read(PYNET_POOLS="10.0.0.0/8")


def test_variables_of_the_tools_are_known_and_ignored() -> None:
    """Exported in a shell they keep nobody from starting pynet there."""
    assert vars(read_settings(dict.fromkeys(TOOL_VARIABLES, "x"))) == vars(read_settings({}))


def test_no_variable_of_the_tools_is_forgotten() -> None:
    """Every variable that tools, tests and benchmarks read is a setting or a known one, and all known are read."""
    folders = [ROOT / name for name in ("tools", "tests", "bench", ".ci")]
    files = [ROOT / "Makefile", *(path for folder in folders for path in folder.rglob("*") if path.is_file())]
    texts = [path.read_text() for path in files if path.suffix in ("", ".py", ".sh")]
    read = {one or other for text in texts for one, other in READ.findall(text)}

    assert read - {setting.key for setting in SETTINGS} == TOOL_VARIABLES
