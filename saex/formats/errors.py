"""What a reader or writer says when it refuses."""


class FormatError(ValueError):
    """A file that cannot be read for certain, or a dictionary that a format cannot hold;
    one line: the path, what is wrong, what was expected."""


def require(ok: bool, message: str) -> None:
    """Raises FormatError(message) unless ok."""
    if not ok:
        raise FormatError(message)
