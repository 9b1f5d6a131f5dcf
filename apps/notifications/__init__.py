"""Who is told what over which channel; nothing is sent yet."""
