"""The commands of `./dev`."""

import asyncio
import os
import sys
from typing import Annotated

import typer

from contracts import alert_types
from devstack.checks import check, generated
from devstack.errors import Refusal, explain
from devstack.machine import demo
from devstack.machine.paths import layout, write_for_owner_only
from devstack.press.command import Order, Press
from devstack.stack import commands
from devstack.stack.up import Up
from devstack.testing import runner

PASS_ON = {"ignore_unknown_options": True, "allow_extra_args": True}
# The program behind the command has a help of its own.
PASS_ON_HELP_TOO = {**PASS_ON, "help_option_names": []}

TYPES = [one.type for one in alert_types()]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="SafeSignal on this machine: the whole chain from a button to a screen.",
)


@app.command()
def up(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when everything is ready.")] = False,
) -> None:
    """Start everything, and print the addresses and logins."""
    write_for_owner_only()
    Up(layout()).run(detach=detach)


@app.command()
def down() -> None:
    """Stop everything, cleanly and in order."""
    commands.down(layout())


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Show the state of all processes."""
    commands.status(layout(), as_json=as_json)


@app.command()
def logs(
    name: Annotated[str | None, typer.Argument(help="A process; all of them by default.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Continue with new lines.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 50,
) -> None:
    """Show the logs of the processes."""
    commands.logs(layout(), name, follow=follow, lines=lines)


@app.command()
def reset(yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False) -> None:
    """Stop everything and remove all state: the demo school, its alerts, keys and certificates."""
    place = layout()
    if not yes:
        typer.confirm(f"Remove {place.home} and its content?", abort=True)
    commands.reset(place)


@app.command()
def press(
    alert_type: Annotated[str, typer.Option("--type", help=f"One of {', '.join(TYPES)}.")] = TYPES[0],
    silent: Annotated[bool, typer.Option("--silent", help="Use a silent key.")] = False,
    drill: Annotated[bool, typer.Option("--drill", help="Start a drill first.")] = False,
    device: Annotated[
        str | None, typer.Option("--device", help="Press this button instead of one without an open alert.")
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="Number of presses.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON for each press.")] = False,
) -> None:
    """Press simulated buttons, and show every hop to a staff member's screen."""
    write_for_owner_only()
    place = layout()
    order = Order(alert_type.lower(), silent, drill, device, count, as_json)
    if not asyncio.run(Press(place, demo.load(place), order).run()):
        raise Refusal("A press was not stored at the gateway: see ./dev status and ./dev logs edge.")


@app.command(context_settings=PASS_ON_HELP_TOO)
def manage(context: typer.Context) -> None:
    """Run manage.py with the environment set."""
    commands.manage(layout(), context.args)


@app.command(name="test", context_settings=PASS_ON)
def run_tests(
    context: typer.Context,
    fast: Annotated[
        bool, typer.Option("--fast", help="Within a minute: only the tests that take about a second or less.")
    ] = False,
    nightly: Annotated[bool, typer.Option("--nightly", help="With the largest sizes and the longest faults.")] = False,
) -> None:
    """Run every test, or those in the files and folders that are named.

    All other arguments go to pytest; `./dev test -h` is its help.

    Tests run in one process for each core, four at most, unless -n says otherwise.
    """
    runner.run(context.args, fast=fast, nightly=nightly)


@app.command(name="check")
def run_checks() -> None:
    """Format, lint, types, layers, migrations, deployment, templates, duplicates and lock files."""
    sys.exit(check.run())


@app.command(name="generate")
def write_generated_files() -> None:
    """Write the files that follow from contracts/."""
    generated.write()


@app.command(context_settings=PASS_ON_HELP_TOO)
def bench(context: typer.Context) -> None:
    """Run the benchmarks, or those that are named: ./dev bench ingest live."""
    runner.module("benchmarks", context.args)


def main() -> None:
    """Run a command; report known errors in one line."""
    try:
        app(prog_name="./dev", standalone_mode=True)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        if os.environ.get("SAFESIGNAL_TRACEBACK"):
            raise
        print(explain(error), file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
