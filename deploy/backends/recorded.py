"""Selection of the layers whose spikes a run keeps."""

from collections.abc import Collection

from deploy.ir import Graph
from dpap.errors import InputError


def recorded_layers(graph: Graph, record: Collection[str] | None) -> tuple[str, ...]:
    """Names of the layers whose spikes a backend keeps, in the order of the graph.

    Parameters
    ----------
    graph : Graph
    record : collection of str, optional
        Layers to record; by default all. The output is always among them.

    Raises
    ------
    InputError
        A layer does not exist.
    """
    names = [layer.name for layer in graph.layers]
    if record is None:
        return tuple(names)
    unknown = sorted(set(record) - set(names))
    if unknown:
        raise InputError(
            f"there is no layer {', '.join(unknown)} to record; the layers are {', '.join(names)}"
        )
    return tuple(name for name in names if name in record or name == graph.output.name)
