"""OpenTelemetry traces from press to screen: a gateway's request, ingest, the feed event, the relay, the hub.

The context travels as a W3C `traceparent`: in the gateway's header, in the feed event's row, and on the live bus.
Unless OTEL_EXPORTER_OTLP_ENDPOINT says where to send traces, no exporter is loaded, and a span costs a comparison
(other variables: https://opentelemetry.io/docs/specs/otel/protocol/exporter/). Spans never have text that people typed.
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
    """Set up tracing once per process, before it works: its spans are those of `safesignal-<service>`."""
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
    """Open a span of a trace; `parent` is a received traceparent, by default the open span."""
    if _tracer is None:
        yield
        return
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    context = TraceContextTextMapPropagator().extract({HEADER: parent}) if parent else None
    with _tracer.start_as_current_span(name, context=context, attributes=attributes):
        yield


def rename(name: str, **attributes: str | int) -> None:
    """Rename the open span with information that became available after it began."""
    if _tracer is None:
        return
    from opentelemetry.trace import get_current_span  # noqa: PLC0415

    current = get_current_span()
    current.update_name(name)
    current.set_attributes(attributes)


def traceparent() -> str | None:
    """Return the traceparent of the open span, to continue its trace elsewhere."""
    if _tracer is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get(HEADER)
