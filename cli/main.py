"""The ``counterfoil`` command: options for every command, the commands by party, and exit codes.

Exit codes: 0 done, 1 a check failed, 2 wrong usage or input.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli import analysis, audit, chain, consortium_commands, demo, desk, flag, keyholder, member, rules
from cli.output import Settings, say, show_error
from ledger.errors import CounterfoilError
from ledger.home import Home
from localchain.errors import LocalChainError

__all__ = ["app", "main"]

app = typer.Typer(
    name="counterfoil",
    help="A consortium of banks shares encoded transactions on a permissioned ledger and finds together "
    "what no bank sees alone.",
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
            "--chain", envvar="COUNTERFOIL_CHAIN", help="JSON-RPC endpoint; default: the embedded chain."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print results as JSON for a program.")] = False,
) -> None:
    """Options for every command stand before it: ``counterfoil --home DIR member post ...``."""
    context.obj = Settings(Home(home), chain_endpoint, as_json)


app.command("demo", rich_help_panel="Start here")(demo.demo)
app.command("simulate", rich_help_panel="Start here")(analysis.simulate_command)
app.command("scan", rich_help_panel="Analysis")(analysis.scan_command)
app.command("verify", rich_help_panel="Audit")(audit.verify_command)
app.command("fsck", rich_help_panel="Audit")(audit.fsck_command)
app.add_typer(audit.app, name="audit", rich_help_panel="Audit")
app.add_typer(chain.app, name="chain", rich_help_panel="Operation")
app.add_typer(consortium_commands.app, name="consortium", rich_help_panel="Operation")
app.add_typer(keyholder.app, name="keyholder", rich_help_panel="Operation")
app.add_typer(desk.app, name="desk", rich_help_panel="Operation")
app.add_typer(member.app, name="member", rich_help_panel="Members")
app.add_typer(flag.app, name="flag", rich_help_panel="Compliance")
app.add_typer(rules.app, name="rules", rich_help_panel="Compliance")


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        app()
    except CounterfoilError as error:
        show_error(error)
        sys.exit(error.exit_code)
    except LocalChainError as error:
        show_error(CounterfoilError(error.what, next_step=error.next_step))
        sys.exit(2)
    except KeyboardInterrupt:
        say("Stopped. Run the same command again to go on: nothing acknowledged is lost.")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    main()
