"""Rules for browsers: what they may load, keep, and be redirected to."""
