"""YAML that is read without trust: plain values, aliases of short texts alone, limits before it is built."""

from typing import Any

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

if yaml.__with_libyaml__:
    from yaml.cyaml import CParser

MAX_BYTES = 1 << 20
MAX_NODES = 50_000
MAX_DEPTH = 32
MAX_ANCHORED = 1000
"""Letters of a text that is given once and used again."""
MAX_DIGITS = 400
"""Of a number: more than any double has, and few enough to be converted at once."""


class YAMLLimitError(yaml.YAMLError):
    """YAML that is larger than any configuration, or has what a configuration does not need."""


def read_yaml(content: str | bytes) -> Any:
    """The values of a YAML document.

    Parameters
    ----------
    content : str or bytes
        Bytes are UTF-8.

    Raises
    ------
    yaml.YAMLError
        The text is not YAML, is too large or nested too deeply, has merge keys or anchors of anything but
        short texts, gives a key twice, or has a value that cannot be converted.
    """
    size = len(content)
    if size > MAX_BYTES:
        raise YAMLLimitError(f"it has {size:,} bytes; at most {MAX_BYTES:,}")
    try:
        text = content.decode("utf-8") if isinstance(content, bytes) else content
        return yaml.load(text, Loader=_Loader)
    except (ValueError, OverflowError, RecursionError) as error:
        raise YAMLLimitError(str(error)) from error


if yaml.__with_libyaml__:

    class _Plain(Composer, CParser, SafeConstructor, Resolver):
        """A SafeLoader that scans by libyaml, six times as fast."""

        def __init__(self, stream: str):
            CParser.__init__(self, stream)
            Composer.__init__(self)
            SafeConstructor.__init__(self)
            Resolver.__init__(self)

else:
    _Plain = yaml.SafeLoader


class _Loader(_Plain):
    """A SafeLoader with limits."""

    def __init__(self, stream: str):
        super().__init__(stream)
        self._nodes = self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:
        event = self.peek_event()
        where = f"line {event.start_mark.line + 1}"
        # An alias of an alias of a list grows without limit; one of a short text does not.
        if isinstance(event, yaml.CollectionStartEvent) and event.anchor is not None:
            raise YAMLLimitError(f"an anchor of a list or a mapping in {where}; write the values out")
        if (
            isinstance(event, yaml.ScalarEvent)
            and event.anchor is not None
            and len(event.value) > MAX_ANCHORED
        ):
            raise YAMLLimitError(
                f"an anchor of a text of {len(event.value)} letters in {where}; write it out"
            )
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise YAMLLimitError(f"more than {MAX_NODES:,} values")
        if self._depth == MAX_DEPTH:
            raise YAMLLimitError(f"values within values more than {MAX_DEPTH} deep, in {where}")
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        seen = set()
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.tag == "tag:yaml.org,2002:merge":
                raise YAMLLimitError(f"a merge key in line {line}; write the fields out")
            # YAML would silently take the last.
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise YAMLLimitError(f"{key.value!r} appears twice in a mapping, again in line {line}")
                seen.add(key.value)

    def construct_scalar(self, node: yaml.ScalarNode) -> str:
        if node.tag == "tag:yaml.org,2002:int" and len(node.value) > MAX_DIGITS:
            line = node.start_mark.line + 1
            raise YAMLLimitError(f"a number of {len(node.value)} digits in line {line}; at most {MAX_DIGITS}")
        return super().construct_scalar(node)
