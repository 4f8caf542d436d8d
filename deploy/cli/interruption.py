"""Ctrl-C in a command whose message says how to resume."""


class Interrupted(Exception):  # noqa: N818 - it is the person's wish, not an error
    """A command was interrupted; the message says what is lost, and how to resume."""
