"""`./dev test` and `./dev bench`: the runner, the pytest plugin, and a complete SafeSignal for tests."""
