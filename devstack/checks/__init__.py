"""`./dev check` and `./dev generate`: checks without tests, and the files that follow from contracts/."""
