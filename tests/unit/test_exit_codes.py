"""Every exit code of ``pynet`` means one thing."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from cli.client.serving import NoAnswer, NotServing
from cli.command_line import Commands, refusals
from cli.exit_codes import DONE, FOR_A_PERSON, FOUND_ERROR, MEANINGS, BadUsage
from cli.main import main
from netlink.errors import Denied, KernelError
from plugin.doctor.checks import exit_code
from plugin.doctor.facts import HostFinding, Severity
from plugin.errors import (
    Busy,
    Conflict,
    Exhausted,
    Failed,
    Incompatible,
    InvalidRequest,
    NotFound,
    Unprivileged,
    Unsupported,
)

ERRORS: list[tuple[BaseException, int]] = [
    (NotFound("no container 'web'"), 1),
    (BadUsage("--filter: 'x'"), 64),
    (Incompatible("a newer pynet wrote it"), 65),
    (NotServing("no pynet serves"), 69),
    (NoAnswer("it hangs"), 69),
    (ZeroDivisionError("a defect"), 70),
    (KernelError("add bridge"), 71),
    (Denied("add bridge"), 71),
    (Failed("write file"), 74),
    (Busy("it is locked"), 74),
    (Exhausted("no pool"), 74),
    (Conflict("another pynet uses it"), 75),
    (Unprivileged("permission denied"), 77),
    (PermissionError(13, "Permission denied", "/x"), 77),
    (InvalidRequest("setting 'X'"), 78),
    (Unsupported("setting 'X'"), 78),
    (KeyboardInterrupt(), 130),
]


def run(act: Callable[[], object]) -> Result:
    """Run a command that does ``act``."""

    def command() -> None:
        with refusals():
            act()

    group = Commands(name="pynet")
    group.command("x")(command)
    return CliRunner().invoke(group, ["x"])


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=lambda each: type(each).__name__)
def test_a_kind_of_error_has_a_code(error: BaseException, code: int) -> None:
    """And a sentence on standard error, but for Ctrl-C; only a defect has a traceback."""

    def act() -> None:
        raise error

    result = run(act)
    assert (result.exit_code, result.stdout) == (code, "")
    assert ("Traceback" in result.stderr) is (code == 70)
    assert str(error.args[-1] if error.args else "").lower() in result.stderr.lower()


@pytest.mark.parametrize(
    "words",
    ["nosuch", "--nosuch", "", "doctor --nosuch", "doctor extra", "backup", "network", "network nosuch", "ps -f"],
)
def test_a_wrong_command_line_is_told_from_a_finding(words: str) -> None:
    """Click's own code is 2, which is an error that the doctor found."""
    result = CliRunner().invoke(main, words.split())

    assert (result.exit_code, result.stdout) == (64, "")
    assert "Usage: " in result.stderr or result.stderr.startswith("Error: ")


@pytest.mark.parametrize("words", ["--help", "-h", "--version", "doctor --help", "options", "options --json"])
def test_what_needs_no_pynet_is_done(words: str) -> None:
    """Help, version and options are printed on any host."""
    assert CliRunner().invoke(main, words.split()).exit_code == DONE


def test_the_table_has_every_code_and_no_other() -> None:
    """Codes of errors do not meet those of findings, and the service manager's are among them."""
    found = {exit_code([HostFinding(severity, "", "")]) for severity in Severity}

    assert found == {DONE, 1, FOUND_ERROR}
    assert {*found, *(code for _, code in ERRORS)} == MEANINGS.keys()
    assert min(code for error, code in ERRORS if not isinstance(error, NotFound)) > max(found)
    assert MEANINGS.keys() > FOR_A_PERSON
