"""Everything of SafeSignal on one machine: what `./dev` runs. Nothing here is used in production."""
