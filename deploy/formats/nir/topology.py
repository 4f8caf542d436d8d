"""The topology of a NIR graph: one flat graph in the order of computation."""

from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from deploy.errors import CompileError, FormatError

MAX_NODES = 1 << 13

NEURONS = ("LIF", "CubaLIF", "IF")
"""Kinds of nodes that fire."""


@dataclass(frozen=True)
class Topology:
    """A graph without subgraphs.

    Attributes
    ----------
    nodes : dict of str to nir.NIRNode
        What leads to the output, each after its sources; subgraphs' nodes as ``subgraph/node``.
    sources : dict of str to list of str
        Without recurrence.
    recurrent : dict of str to (str, nir.Linear or nir.Affine)
        For recurrent neurons, the name and node of those synapses.
    output : str
        The node whose activity is the result.
    """

    nodes: dict[str, object]
    sources: dict[str, list[str]]
    recurrent: dict[str, tuple[str, object]]
    output: str


def kind(node) -> str:
    """Name of a node's type, as ``Conv2d``."""
    return type(node).__name__


def topology(graph) -> Topology:
    """Order a ``nir.NIRGraph``.

    Raises
    ------
    FormatError
        An edge leads nowhere, or there is not one output.
    CompileError
        There is a loop that is not of one recurrent layer.
    """
    nodes, edges, outputs = {}, [], []
    _flatten(graph, "", nodes, edges, outputs)
    if len(outputs) != 1:
        raise FormatError(f"the graph has {len(outputs)} outputs; expected 1")
    sources = {name: [] for name in nodes}
    for source, target in dict.fromkeys(edges):
        for end in (source, target):
            if end not in nodes:
                raise FormatError(f"the edge from {source} to {target} has no node {end}")
        sources[target].append(source)
    recurrent = _cut_recurrence(nodes, sources)
    wanted, pending = set(), list(outputs)
    while pending:
        name = pending.pop()
        if name not in wanted:
            wanted.add(name)
            pending.extend(sources[name])
    try:
        order = list(TopologicalSorter({name: sources[name] for name in wanted}).static_order())
    except CycleError as error:
        raise CompileError(
            f"{', '.join(dict.fromkeys(error.args[1]))}: a loop; only a layer that is its own source through"
            " one Linear or Affine node can be recurrent"
        ) from error
    return Topology(
        nodes={name: nodes[name] for name in order},
        sources={name: sources[name] for name in order},
        recurrent={name: (node, nodes[node]) for name, node in recurrent.items() if name in wanted},
        output=outputs[0],
    )


def _flatten(graph, prefix: str, nodes: dict, edges: list, outputs: list) -> None:
    entries, exits = {}, {}
    for name, node in graph.nodes.items():
        full = prefix + str(name)
        if kind(node) == "NIRGraph":
            inner: list[str] = []
            _flatten(node, f"{full}/", nodes, edges, inner)
            inputs = [f"{full}/{key}" for key, part in node.nodes.items() if kind(part) == "Input"]
            if len(inputs) != 1 or len(inner) != 1:
                raise CompileError(
                    f"{full}: a subgraph with other than one input and one output; write it flat"
                )
            entries[name], exits[name] = inputs[0], inner[0]
            continue
        if kind(node) == "Output":
            outputs.append(full)
        nodes[full] = node
        entries[name] = exits[name] = full
        if len(nodes) > MAX_NODES:
            raise FormatError(f"the graph has more than {MAX_NODES} nodes")
    for edge in graph.edges:
        source, target = edge
        edges.append((exits.get(source, prefix + str(source)), entries.get(target, prefix + str(target))))


def _cut_recurrence(nodes: dict, sources: dict[str, list[str]]) -> dict[str, str]:
    """Take the layers' edges back to themselves out of the sources."""
    recurrent: dict[str, str] = {}
    for neuron, node in nodes.items():
        if kind(node) not in NEURONS:
            continue
        for synapses in list(sources[neuron]):
            if kind(nodes[synapses]) in ("Linear", "Affine") and sources[synapses] == [neuron]:
                if neuron in recurrent:
                    raise CompileError(
                        f"{neuron}: it is its own source through {recurrent[neuron]} and {synapses}; write"
                        " them as one node"
                    )
                recurrent[neuron] = synapses
                sources[neuron].remove(synapses)
    return recurrent
