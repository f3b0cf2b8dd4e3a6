"""Parts that all commands share: texts of the help, exit codes and sentences for errors, flags."""

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import click

from cli.exit_codes import DEFECT, INTERRUPTED, MEANINGS, USAGE, exit_code
from netlink.errors import KernelError
from plugin.errors import PynetError

ENVIRONMENT: Mapping[str, str] = {
    "PYNET_SOCKET": "The engine's socket of the pynet that is asked; by default that of the service or managed plugin.",
    "PYNET_ADMIN_SOCKET": "The socket on which a command asks; by default the one that belongs to PYNET_SOCKET.",
    "DOCKER_HOST": "The socket of Docker Engine, which knows the names of networks and containers.",
    "NO_COLOR": "If it is set, nothing is coloured.",
}
DOCUMENTS = "Documents: docs/index.md, or /usr/share/doc/pynet where the package is installed."


class Command(click.Command):
    """A command whose help, like its manual page, has examples and exit codes.

    ``codes`` are those that mean something else than ``cli.exit_codes`` says; ``see`` are related commands.
    """

    def __init__(
        self,
        *args: Any,
        examples: Sequence[str] = (),
        codes: Mapping[int, str] | None = None,
        see: Sequence[str] = (),
        **attributes: Any,
    ) -> None:
        super().__init__(*args, **attributes)
        self.examples, self.codes, self.see = examples, codes or {}, see

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write everything that comes behind the options."""
        if self.examples:
            with formatter.section("Examples"):
                formatter.write("".join(f"{'':{formatter.current_indent}}{line}\n" for line in self.examples))
        root = ctx.find_root().info_name
        if self.codes:
            with formatter.section("Exit codes"):
                formatter.write_dl([(str(code), text) for code, text in self.codes.items()])
                formatter.write_text(f"All others are in '{root} --help'.")
        if self.see:
            with formatter.section("See also"):
                formatter.write_text(", ".join(self.see))


class Commands(click.Group):
    """A group of commands that exit with the codes of ``cli.exit_codes``; click's own are 1 and 2, as of findings."""

    command_class, group_class = Command, type

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the command line of the group."""
        with _exit_codes():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Carry out a command."""
        with _exit_codes():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the whole first paragraph about each command, where click would cut it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, first_paragraph(self.commands[name])) for name in self.list_commands(ctx)])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what holds for all commands, behind the list of them."""
        if ctx.parent is None:
            with formatter.section("Environment"):
                formatter.write_dl(list(ENVIRONMENT.items()))
            with formatter.section("Exit codes"):
                formatter.write_dl([(str(code), meaning) for code, meaning in MEANINGS.items()])
            formatter.write_paragraph()
            formatter.write_text(DOCUMENTS)


def first_paragraph(command: click.Command) -> str:
    """Return the first paragraph of a help text, without line breaks."""
    return " ".join((command.help or "").split("\n\n")[0].split())


@contextmanager
def _exit_codes() -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        error.show()
        raise click.exceptions.Exit(USAGE) from None
    except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
        raise
    except KeyboardInterrupt:
        raise click.exceptions.Exit(INTERRUPTED) from None
    except Exception as error:
        traceback.print_exception(error)
        raise click.exceptions.Exit(DEFECT) from error  # Python's own code is 1, which means a finding


@contextmanager
def refusals() -> Iterator[None]:
    """Print an error of pynet or of the kernel as one sentence, and exit with the code of its kind."""
    from cli.server.logs import to_standard_error

    to_standard_error()
    try:
        yield
    except (KernelError, PynetError) as error:
        click.echo(f"Error: {error}", err=True)
        raise click.exceptions.Exit(exit_code(error)) from error
    except PermissionError as error:
        click.echo(f"Error: open '{error.filename}': permission denied; run it as root", err=True)
        raise click.exceptions.Exit(exit_code(error)) from error


def with_json(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the flag ``--json``; it gets ``machine``."""
    return click.option("--json", "machine", is_flag=True, help="Print one JSON document.")(command)


def of_lists(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the flags of Docker's lists; it gets them as ``flags``."""

    @click.option("--format", "form", default="", help="Print with a template such as '{{.Names}}', or json, or table.")
    @click.option("-q", "--quiet", is_flag=True, help="Print ids alone.")
    @click.option("--no-trunc", "whole", is_flag=True, help="Print whole ids and commands.")
    @with_json
    @wraps(command)
    def with_look(*, form: str, quiet: bool, whole: bool, machine: bool, **others: Any) -> None:
        from cli.listing import ListFlags

        command(flags=ListFlags(form, quiet, whole, machine), **others)

    return with_look
