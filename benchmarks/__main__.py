"""`./dev bench ingest live press`: each benchmark starts engines of its own, and listens on 127.0.0.1 alone."""

import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.figures import Figure, machine, table


class Name(StrEnum):
    """What can be measured."""

    INGEST = "ingest"
    LIVE = "live"
    PRESS = "press"


def main(
    names: Annotated[
        list[Name] | None, typer.Argument(help="Which benchmarks; all of them when none is named.")
    ] = None,
    alerts: Annotated[int, typer.Option(min=1, help="ingest: alerts of each case and round.")] = 40_000,
    batch: Annotated[int, typer.Option(min=1, max=500, help="ingest: events of one request of a gateway.")] = 500,
    schools: Annotated[
        int, typer.Option(min=1, help="ingest: schools, each with its gateway, of the wide case.")
    ] = 200,
    rounds: Annotated[int, typer.Option(min=1, help="ingest: rounds, each of every case and its COPY.")] = 3,
    processes: Annotated[int, typer.Option(min=0, help="ingest: senders side by side; 0: one for each core.")] = 0,
    clients: Annotated[int, typer.Option(min=1, help="live, press: sockets of one school.")] = 1000,
    messages: Annotated[int, typer.Option(min=1, help="live, press: alerts, one after the other.")] = 50,
    attacked: Annotated[
        bool,
        typer.Option("--under-attack", help="press: beside sign-ins, bodies, exports, a lock and a flood, in pairs."),
    ] = False,
) -> None:
    """Measure, and print each figure beside its bar.

    ingest: alerts that the cloud stores in a second, beside a COPY of the same rows.

    live: from just before COMMIT to the screens of one school.

    press: from a simulated press to the gateway's disk and to a screen, through the whole chain.
    """
    # Imported here: with them come engines in a folder of this run, and Django's settings that point at them.
    from benchmarks import ingest, live, press, under_attack  # noqa: PLC0415

    runs: dict[Name, Callable[[], list[Figure]]] = {
        Name.INGEST: lambda: ingest.run(
            ingest.Sizes(alerts=alerts, batch=batch, schools=schools, rounds=rounds, processes=processes)
        ),
        Name.LIVE: lambda: live.run(live.Sizes(clients=clients, messages=messages)),
        Name.PRESS: lambda: press.run(press.Sizes(clients=clients, presses=messages)),
    }
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(machine())
    if attacked:
        if names != [Name.PRESS]:
            raise typer.BadParameter("--under-attack goes with press alone.")
        raise typer.Exit(0 if under_attack.run(messages, console) else 1)
    for name in names or list(Name):
        console.print(table(name, runs[name]()))


app = typer.Typer(add_completion=False)
app.command()(main)
app(prog_name="./dev bench")
