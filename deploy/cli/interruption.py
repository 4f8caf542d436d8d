"""Ctrl-C in a command that has more to say than that it was interrupted."""


class Interrupted(Exception):  # noqa: N818 - it is the person's wish, not an error
    """A command was interrupted; the message says what is lost, and how to go on."""
