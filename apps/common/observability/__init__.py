"""What a process shows of its work: logs, metrics, traces, request ids, heartbeats."""
