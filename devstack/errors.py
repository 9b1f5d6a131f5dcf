"""What a command may fail with: one clear line, and an exit code that is not 0."""

import errno


class Refusal(Exception):
    """A reason not to go on, in one line for whoever typed the command."""


def explain(error: OSError) -> str:
    """One line for a failure of the operating system that we meet in practice."""
    where = f": {error.filename}" if error.filename else ""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return f"The disk is full{where}. Free some space and run the command again."
        case errno.EROFS:
            return f"The file system is read-only{where}."
        case errno.EACCES | errno.EPERM:
            return f"No permission{where}. Does the state folder belong to another user?"
        case _:
            return f"{error.strerror or error}{where}"
