"""SafeSignal on one machine, as run by `./dev`. Nothing here is used in production."""
