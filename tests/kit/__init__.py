"""What tests of several folders use: schools and people, callers and listeners, clocks and assertions."""
