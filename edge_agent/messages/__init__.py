"""Everything that crosses the gateway's borders, parsed once; `contracts/` is the authority."""
