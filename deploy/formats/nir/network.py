"""Networks that others wrote in NIR, as networks of our blocks."""

from pathlib import Path

from deploy.errors import FormatError
from deploy.formats.nir.builder import Builder
from deploy.formats.nir.fields import Shape, numbers
from deploy.formats.nir.package import STEP_SECONDS
from deploy.formats.nir.reader import read_nir
from deploy.formats.nir.topology import kind, topology
from dpap.errors import NetworkError
from dpap.networks import Network


def from_nir(
    source,
    *,
    time_steps: int | None = None,
    input_max: int | None = None,
    input_divisor: int = 1,
    input_shape: Shape | None = None,
    dt: float | None = None,
) -> Network:
    """A network from NIR, quantised at each layer's scale (:mod:`dpap.quantization`); it can be compiled.

    Taken are LIF, CubaLIF and IF (:mod:`deploy.formats.nir.neuron`), Linear, Affine, Conv2d, SumPool2d,
    AvgPool2d, Flatten, Delay, sums of branches, recurrence through one Linear or Affine, and subgraphs of
    these. Thresholds and gains that differ between the neurons of a layer go into their weights; decays are
    rounded to multiples of 1/4096. Layers that :func:`deploy.export` wrote keep their integers.

    Parameters
    ----------
    source : str, Path or nir.NIRGraph
        A file, or what ``nir.read`` makes of it.
    time_steps : int, optional
        Steps of an inference; by default what the file says, as :func:`deploy.export` writes it.
    input_max : int, optional
        Largest input, a whole number; by default what the file says, or 1 (spikes).
    input_divisor : int
        Input that stands for the file's 1, as 255 for pixels that it takes from 0 to 1.
    input_shape : tuple of int, optional
        ``(C, H, W)`` or ``(F,)``, where the file's is not that.
    dt : float, optional
        Duration of a step in seconds; by default what the file says, or 0.1 ms, as snnTorch and SpikingJelly
        have it. Norse's and sinabs's files need theirs.

    Returns
    -------
    dpap.networks.Network
        In evaluation mode. Its layers are named ``conv1``, ``fc1``, ... in their order.

    Raises
    ------
    FormatError
        The file is damaged or inconsistent, or the package nir is missing.
    CompileError
        A node has no counterpart here; it is named.
    InputError
        An argument is out of range, or ``time_steps`` is given nowhere.
    """
    graph = read_nir(source) if isinstance(source, (str, Path)) else source
    if kind(graph) != "NIRGraph":
        raise FormatError(f"this is a {kind(graph)}; expected the path of a NIR file, or a nir.NIRGraph")
    steps = _chosen(time_steps, graph, "time_steps", None)
    if steps is None:
        raise NetworkError("the file says no number of steps; give time_steps")
    largest, duration = _chosen(input_max, graph, "input_max", 1), _chosen(dt, graph, "dt", STEP_SECONDS)
    return Builder(topology(graph), duration, steps, largest, input_divisor, input_shape).network().eval()


def _chosen(given: float | None, graph, key: str, default: float | None) -> float | None:
    """An argument, or what the file says of it."""
    written = graph.metadata.get(key) if isinstance(graph.metadata, dict) else None
    if given is not None or written is None:
        return default if given is None else given
    value = numbers("metadata", key, written)
    if value.size != 1:
        raise FormatError(f"the metadata have {value.size} numbers for {key}; expected one")
    return value.item()
