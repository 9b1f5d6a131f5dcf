"""Messages that cross the gateway's borders, each parsed once; `contracts/` is the authority."""
