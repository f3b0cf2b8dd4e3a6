"""The systemd unit shuts what pynet was seen to do without."""

from pathlib import Path

import pytest

from cli.exit_codes import FOR_A_PERSON
from cli.settings import RUN, Settings

UNIT = (Path(__file__).parents[2] / "packaging/systemd/pynet.service").read_text().splitlines()


def test_the_unit_never_gives_up_and_never_repeats_what_a_person_has_to_mend() -> None:
    """A service over its limit of starts takes its socket with it, and then a mended setting alone does not help."""
    prevented = next(line for line in UNIT if line.startswith("RestartPreventExitStatus="))
    assert "StartLimitIntervalSec=0" in UNIT
    assert {int(code) for code in prevented.partition("=")[2].split()} == FOR_A_PERSON


@pytest.mark.parametrize(
    "line",
    [
        "CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_NET_RAW",
        "MemoryDenyWriteExecute=yes",
        "NoNewPrivileges=yes",
        "PrivateMounts=yes",
        "ProtectProc=invisible",
        "ProtectSystem=strict",
    ],
)
def test_the_unit_is_a_sandbox(line: str) -> None:
    """Each of these was tried with the tests of the service; none may get lost."""
    assert line in UNIT


def test_system_calls_are_taken_away_before_one_is_given_back() -> None:
    """Systemd goes by the order: of the privileged ones capset(2) alone is left, by which pynet gives up the others."""
    filters = [line.partition("=")[2] for line in UNIT if line.startswith("SystemCallFilter=")]
    assert filters == ["@system-service", "~@privileged @resources", "capset"]


def test_the_folder_of_the_admin_socket_has_the_group() -> None:
    """The service may change no owner: the service manager gives the folder, and that the socket, to the group."""
    steps = [line for line in UNIT if line.startswith("ExecStartPre=")]
    made, given = (step.rpartition(" ")[0] for step in steps)
    assert all(step.endswith(f" {RUN}") for step in steps)
    assert (made, given.split()[-1]) == (
        "ExecStartPre=+/usr/bin/install -d -m 2755 -o root -g root",
        f"${{{Settings.admin_group.key}}}",
    )
    assert given.startswith("ExecStartPre=+-/usr/bin/chgrp")  # without the group pynet starts too
    assert {f"Environment={Settings.admin_group.key}={Settings.admin_group.default}", f"ReadWritePaths=-{RUN}"} < set(
        UNIT
    )
