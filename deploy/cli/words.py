"""Messages for the command line: advice that names options in place of Python arguments."""

import re

_WORDS = (
    (r"dpap\.data\.load\([^()]*, download=True\)", "dpap train --set data.download=true"),
    (r"\bdownload=True", "--set data.download=true"),
    (r"\bsubset=True", "--subset"),
    (r"\bset DPAP_DATA or root= to", "set DPAP_DATA to"),
    (r"\(unknown: bound\)", "(--unknown bound)"),
    (r"\bon_overflow=['\"](\w+)['\"]", r"--on-overflow \1"),
    (r"\breset=['\"](\w+)['\"]", r"--reset \1"),
    (r"; give time_steps$", "; give --time-steps"),
    (r"\bpass the dt\b", "pass by --dt the dt"),
    (r"with dpap\.quantize\b|by dpap\.quantize\b", "by dpap quantize"),
)
"""Patterns in messages, as regular expressions, and the words of the command line that replace them."""


def in_words_of_commands(message: str) -> str:
    """A message with options where it names arguments of functions."""
    for pattern, words in _WORDS:
        message = re.sub(pattern, words, message)
    return message
