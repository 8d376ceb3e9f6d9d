"""The ``counterfoil`` command: the options for every command, the list of commands, and the exit codes.

Exit codes: 0 success; 1 a check failed; 2 wrong usage or input; 130 interrupted; 141 the reader of the output
closed the pipe.
"""

from __future__ import annotations

import inspect
import os
import shlex
import shutil
import signal
import sqlite3
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Final, NoReturn

import typer
from typer.core import TyperGroup

import counterfoil
from cli import (
    analysis,
    audit,
    chain,
    consortium,
    demo,
    desk,
    evaluate,
    flag,
    keyholder,
    keys,
    member,
    rules,
)
from cli.output import Settings, say, settings, show_error
from ledger.errors import CounterfoilError
from ledger.home import Home
from ledger.installation import check_own_packages, requiring
from ledger.keystore.passphrase import PASSPHRASE, PIN

__all__ = ["app", "main"]


#: Options for every command; they stand before the command.
_BEFORE: Final = ("--home", "--chain", "--json", "--passphrase-fd", "--pin-fd")


class _Commands(TyperGroup):
    """The group of all commands; it turns known errors into a message and an exit code."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        _reflow(self)

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            with requiring():
                check_own_packages()
                return self._invoke(ctx)
        except CounterfoilError as error:
            _fail(ctx, error)
        except sqlite3.DatabaseError as error:
            _fail(ctx, _state_problem(error, settings(ctx).home))
        except BrokenPipeError:
            # the reader of the output has closed the pipe; discard what is still buffered
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(128 + signal.SIGPIPE) from None
        except OSError as error:
            _fail(ctx, _system_problem(error))
        except KeyboardInterrupt:
            say("Stopped. Run the same command again to continue: finished steps are not lost.")
            raise typer.Exit(130) from None

    def _invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            option = getattr(error, "option_name", None)
            if option in _BEFORE:
                told = f"write {option} before the command: `counterfoil {option} ...`."
                vars(error).update(message=told, possibilities=None)
            raise


def _reflow(command: Any) -> None:
    """Make each paragraph of a command's help one line, so that the terminal can fold it."""
    text = inspect.cleandoc(command.help or "")
    command.help = "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))
    for child in getattr(command, "commands", {}).values():
        _reflow(child)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"counterfoil {counterfoil.__version__}")
        raise typer.Exit


app = typer.Typer(
    name="counterfoil",
    cls=_Commands,
    help="A consortium of banks shares encoded transactions on a permissioned ledger, to find "
    "money laundering that no single bank can see.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    context: typer.Context,
    home: Annotated[
        Path, typer.Option(envvar="COUNTERFOIL_HOME", help="State folder.", show_default=True)
    ] = Path(".counterfoil"),
    chain_endpoint: Annotated[
        str | None,
        typer.Option(
            "--chain", envvar="COUNTERFOIL_CHAIN", help="JSON-RPC endpoint. Default: the embedded chain."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print results as JSON, for a program.")] = False,
    passphrase_fd: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="File descriptor that gives the passphrase of the key file. Default: "
            "COUNTERFOIL_PASSPHRASE_FD, the systemd credential counterfoil-passphrase, the credential store, "
            "the terminal.",
        ),
    ] = None,
    pin_fd: Annotated[
        int | None,
        typer.Option(
            min=0, help="File descriptor that gives the PIN of the token. Default: as for the passphrase."
        ),
    ] = None,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Read the options before the command: ``counterfoil --home DIR member post ...``."""
    source = context.get_parameter_source("home")
    given = source is not None and source.name == "COMMANDLINE"
    for secret, descriptor in ((PASSPHRASE, passphrase_fd), (PIN, pin_fd)):
        if descriptor is not None:
            secret.use_descriptor(descriptor)
    context.obj = Settings(Home(home), chain_endpoint, as_json, _program(home if given else None))


app.command("demo", rich_help_panel="Start here")(demo.demo)
app.command("simulate", rich_help_panel="Start here")(analysis.simulate_command)
app.command("scan", rich_help_panel="Analysis")(analysis.scan_command)
app.command("evaluate", rich_help_panel="Analysis")(evaluate.evaluate_command)
app.command("verify", rich_help_panel="Audit")(audit.verify_command)
app.command("bundle", rich_help_panel="Audit")(audit.bundle_command)
app.command("fsck", rich_help_panel="Audit")(audit.fsck_command)
app.add_typer(audit.app, name="audit", rich_help_panel="Audit")
app.add_typer(chain.app, name="chain", rich_help_panel="Operation")
app.add_typer(consortium.app, name="consortium", rich_help_panel="Operation")
app.add_typer(keyholder.app, name="keyholder", rich_help_panel="Operation")
app.add_typer(desk.app, name="desk", rich_help_panel="Operation")
app.add_typer(member.app, name="member", rich_help_panel="Members")
app.add_typer(keys.app, name="keys", rich_help_panel="Operation")
app.add_typer(flag.app, name="flag", rich_help_panel="Compliance")
app.add_typer(rules.app, name="rules", rich_help_panel="Compliance")


def main() -> None:
    """Run the command line and exit with its code."""
    signal.signal(signal.SIGTERM, _end)
    app(prog_name="counterfoil")


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    """Exit so that every `finally` runs: a demonstration stops the processes that it started."""
    sys.exit(128 + signal.SIGTERM)


def _program(home: Path | None) -> str:
    """Return the text that calls this command again, with its path if the shell cannot find it."""
    called = Path(sys.argv[0])
    known = called.name != "counterfoil" or shutil.which("counterfoil") is not None
    program = "counterfoil" if known else str(called)
    if not known and called.is_relative_to(Path.cwd()):
        program = str(called.relative_to(Path.cwd()))
    return program if home is None else f"{program} --home {shlex.quote(str(home))}"


def _fail(context: Any, error: CounterfoilError) -> NoReturn:
    show_error(error, program=settings(context).program)
    raise typer.Exit(error.exit_code) from error


def _system_problem(error: OSError) -> CounterfoilError:
    files = [str(name) for name in (error.filename, error.filename2) if name]
    return CounterfoilError(
        f"the operating system reports an error: {error.strerror or error}",
        where=" and ".join(files) or None,
        next_step="Check the path, its permissions and the free space, then run the same command again.",
    )


def _state_problem(error: sqlite3.DatabaseError, home: Home) -> CounterfoilError:
    busy = "locked" in str(error)
    return CounterfoilError(
        "another command is writing to the same state" if busy else f"a state file cannot be used: {error}",
        where=str(home.root),
        next_step="Wait until it has ended, then run the same command again."
        if busy
        else "Check the free disk space; then run `counterfoil fsck`, which checks the mirror.",
    )


if __name__ == "__main__":
    main()
