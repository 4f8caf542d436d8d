"""Check that 32 bits hold every synaptic sum of a graph, for any input."""

from deploy.ir import Graph
from deploy.ir.validation import validate_graph
from dpap.errors import InputError
from dpap.neurons.parameters import ARITHMETIC_LIMIT


def check_bounds(graph: Graph, bounds: dict[str, int]) -> None:
    """Prove that no synaptic sum of any layer leaves 32 bits; currents wrap and voltages clip within them.

    Parameters
    ----------
    graph : Graph
    bounds : dict of str to int
        Largest magnitude of the sums of each layer, all sources together.

    Raises
    ------
    InputError
        A sum could, in a graph that was made by hand; the layer and its sum are named.
    """
    if all(bound < ARITHMETIC_LIMIT for bound in bounds.values()):
        return
    # The same neuron by neuron, where weights of both signs and of several sources do not add up.
    try:
        validate_graph(graph)
    except ValueError as error:
        raise InputError(
            f"the graph cannot be simulated exactly: {error}; make graphs with deploy.compile, which keeps"
            " the bounds"
        ) from error
