"""`./dev bench ingest live press`: each benchmark starts its own engines and listens on 127.0.0.1 only."""

import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.figures import Figure, machine, table


class Name(StrEnum):
    """A benchmark."""

    INGEST = "ingest"
    LIVE = "live"
    PRESS = "press"


def main(
    names: Annotated[list[Name] | None, typer.Argument(help="The benchmarks to run; all by default.")] = None,
    alerts: Annotated[int, typer.Option(min=1, help="ingest: alerts per case and round.")] = 40_000,
    batch: Annotated[int, typer.Option(min=1, max=500, help="ingest: events per request of a gateway.")] = 500,
    schools: Annotated[int, typer.Option(min=1, help="ingest: schools of the wide case, each with a gateway.")] = 200,
    rounds: Annotated[int, typer.Option(min=1, help="ingest: rounds of all cases with their COPY.")] = 3,
    processes: Annotated[int, typer.Option(min=0, help="ingest: parallel senders; 0: one per core.")] = 0,
    clients: Annotated[int, typer.Option(min=1, help="live, press: sockets of one school.")] = 1000,
    messages: Annotated[int, typer.Option(min=1, help="live, press: alerts, one after another.")] = 50,
    attacked: Annotated[
        bool,
        typer.Option("--under-attack", help="press: during sign-ins, bodies, exports, a lock and a flood, in pairs."),
    ] = False,
) -> None:
    """Measure, and print each figure with its target.

    ingest: alerts stored by the cloud per second, compared with a COPY of the same rows.

    live: from just before COMMIT to the screens of one school.

    press: from a simulated press to the gateway's disk and to a screen, through the whole chain.
    """
    # Imported here, as importing them starts engines in a folder of this run and points Django's settings at them.
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
            raise typer.BadParameter("--under-attack requires press as the only benchmark.")
        raise typer.Exit(0 if under_attack.run(messages, console) else 1)
    for name in names or list(Name):
        console.print(table(name, runs[name]()))


app = typer.Typer(add_completion=False)
app.command()(main)
app(prog_name="./dev bench")
