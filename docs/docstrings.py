"""Docstrings as Markdown: an extension of Griffe, which mkdocstrings reads the packages by."""

import re
import textwrap
from typing import Any

import griffe

_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr|math):`+~?([^`]+)`+")
_MATH = re.compile(r"^( *)\.\. math::\n((?:\1 +.*\n|\s*\n)+)", re.MULTILINE)
_CODE = re.compile(r"::\n(\n(?: {4,}.*\n|\s*\n)+)")


class MarkdownDocstrings(griffe.Extension):
    """Turns roles and directives of reStructuredText into what Markdown shows."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change a docstring when its object has been read (an event of Griffe)."""
        if obj.docstring is not None:
            obj.docstring.value = to_markdown(obj.docstring.value)


def to_markdown(text: str) -> str:
    """Roles as code, equations and literal blocks as blocks of code."""
    text = _MATH.sub(_equation, f"{text}\n")
    text = _CODE.sub(r":\n\1", text)
    return _ROLE.sub(r"`\1`", text).rstrip()


def _equation(found: re.Match[str]) -> str:
    indent, body = found[1], textwrap.dedent(found[2]).strip("\n")
    return textwrap.indent(f"```tex\n{body}\n```\n", indent) + "\n"
