"""Benchmarks for the figures of `docs/performance.md`: `./dev bench --help`."""
