"""OpenTelemetry traces from press to screen: a gateway's request, ingest, the feed event, the relay, the hub.

The context travels as a W3C `traceparent`: in the gateway's header, in the feed event's row, and on the live bus.
No exporter is loaded, and a span costs a comparison, unless OTEL_EXPORTER_OTLP_ENDPOINT says where traces
go (with the other variables of https://opentelemetry.io/docs/specs/otel/protocol/exporter/). Spans hold no text of
people.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
HEADER: Final = "traceparent"

_tracer: "Tracer | None" = None


def start(service: str) -> None:
    """Once for a process, before it works: send its spans as those of `safesignal-<service>`, if anywhere."""
    global _tracer  # noqa: PLW0603
    if not os.environ.get(ENDPOINT) or _tracer is not None:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({"service.name": f"safesignal-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _tracer = provider.get_tracer("safesignal")


@contextmanager
def span(name: str, *, parent: str | None = None, **attributes: str | int) -> Iterator[None]:
    """A step of a trace; `parent` is the traceparent that it was told, else what is open here."""
    if _tracer is None:
        yield
        return
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    context = TraceContextTextMapPropagator().extract({HEADER: parent}) if parent else None
    with _tracer.start_as_current_span(name, context=context, attributes=attributes):
        yield


def rename(name: str, **attributes: str | int) -> None:
    """Name the open span by what became known since it began."""
    if _tracer is None:
        return
    from opentelemetry.trace import get_current_span  # noqa: PLC0415

    current = get_current_span()
    current.update_name(name)
    current.set_attributes(attributes)


def traceparent() -> str | None:
    """The open span, for who goes on with its trace elsewhere."""
    if _tracer is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get(HEADER)
