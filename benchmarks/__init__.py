"""What `docs/performance.md` says, measured: `./dev bench --help`."""
