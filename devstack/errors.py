"""Expected failures of a command: one line and a nonzero exit status."""

import errno


class Refusal(Exception):
    """A reason for not continuing, in one line for the user."""


def explain(error: OSError) -> str:
    """Describe a common operating system error in one line."""
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
