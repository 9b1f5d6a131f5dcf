"""What platform operators ask: health checks, `doctor` and its findings, the page of metrics, sweeps."""
