"""What tests of several folders use: schools, people and presses, callers and listeners, waits and assertions."""
