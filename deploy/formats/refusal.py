"""Refusal of graphs that formats of spiking neurons cannot represent."""

from deploy.errors import ExportError
from deploy.ir import Graph


def refuse_sigma_delta(graph: Graph, format_name: str) -> None:
    """Raise an :class:`~deploy.errors.ExportError` where a graph's layers send changes of activations."""
    if graph.sigma_delta:
        layer = graph.layers[0]
        raise ExportError(
            f"{layer.name} has {layer.neuron.kind} units, which {format_name} is not written for; save the"
            " graph as .h5, or give the network to lava-dl by dpap.to_slayer"
        )
