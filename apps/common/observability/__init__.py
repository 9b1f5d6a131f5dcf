"""Observability of processes: logs, metrics, traces, request ids, heartbeats."""
