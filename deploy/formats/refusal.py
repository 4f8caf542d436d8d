"""What formats of CUBA LIF neurons cannot say."""

from deploy.errors import ExportError
from deploy.ir import Graph


def refuse_other_neurons(graph: Graph, format_name: str) -> None:
    """Raise an :class:`~deploy.errors.ExportError` where a layer has other than CUBA LIF neurons."""
    for layer in graph.layers:
        if not layer.neuron.reference:
            by_slayer = ", or give the network to lava-dl by dpap.to_slayer" if graph.activity.graded else ""
            raise ExportError(
                f"{layer.name} has {layer.neuron.kind} units, which {format_name} is not written for; save"
                f" the graph as .h5{by_slayer}"
            )
