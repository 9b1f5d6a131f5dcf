"""Tools for platform operators: health checks, `doctor` and its findings, the metrics page, sweeps."""
