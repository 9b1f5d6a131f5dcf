"""`./dev press`: press simulated buttons as a user, and follow each press to a staff member's screen."""
