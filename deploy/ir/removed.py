"""The channels and neurons that compaction removed from a graph."""


class Removed(dict[str, dict[str, list[int]]]):
    """Indices of removed channels (neurons, in a flat layer) by layer and by why.

    A dict of layers, each a dict of ``silent`` (no input can make them fire) and ``unheard`` (they may fire,
    but have no fan-out). Printed, it gives their numbers, a line a layer.

    Parameters
    ----------
    indices : dict
    sizes : dict of str to int
        Channels (neurons) of each layer before compaction.
    """

    def __init__(self, indices: dict[str, dict[str, list[int]]], sizes: dict[str, int]):
        super().__init__(indices)
        self.sizes = sizes

    def __repr__(self) -> str:
        return "\n".join(self._line(name) for name in self) or "no layers"

    def _line(self, name: str) -> str:
        silent, without_fan_out = len(self[name]["silent"]), len(self[name]["unheard"])
        line = f"{name}: {silent + without_fan_out} of {self.sizes[name]} removed"
        if not silent + without_fan_out:
            return line
        return f"{line}, {silent} that cannot fire and {without_fan_out} without fan-out"
