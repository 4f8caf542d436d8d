"""Conversion of NIR graphs of other frameworks to networks of our blocks."""

import warnings
from pathlib import Path

from deploy.errors import FormatError
from deploy.formats.nir.builder import Builder
from deploy.formats.nir.duration import duration_doubt
from deploy.formats.nir.fields import Shape, numbers
from deploy.formats.nir.package import STEP_SECONDS
from deploy.formats.nir.reach import unreachable
from deploy.formats.nir.reader import read_nir
from deploy.formats.nir.reset import reset_doubt
from deploy.formats.nir.topology import kind, topology
from dpap.errors import ConversionWarning, NetworkError
from dpap.networks import Network
from dpap.post_training.scale_calibration import calibrate
from dpap.quantization.levels import warn_of_lost_levels
from dpap.quantization.weight_bits import MARGIN


def from_nir(
    source,
    *,
    time_steps: int | None = None,
    input_max: int | None = None,
    input_divisor: int = 1,
    input_shape: Shape | None = None,
    dt: float | None = None,
    reset: str | None = None,
    calibration=None,
    range_margin: float = MARGIN,
) -> Network:
    """A network from NIR, quantised at each layer's scale, which can be compiled.

    Scales are those of :mod:`dpap.quantization.scaling`. Taken are LIF, CubaLIF and IF
    (:mod:`deploy.formats.nir.neuron`), Linear, Affine, Conv2d, SumPool2d, AvgPool2d, Flatten, Delay, sums of
    branches (:mod:`deploy.formats.nir.synapses`), recurrence through one Linear or Affine, and subgraphs of
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
    reset : None, "zero" or "subtract"
        What a spike does to the potential. NIR has no field for it, and the neurons here reset to zero. By
        default what the file says, as :func:`deploy.export` writes it; of other files it is not known: they
        are converted as resetting to zero, with a warning. ``"zero"`` is the same without the warning.
        ``"subtract"``, the default of snnTorch and sinabs, is refused.
    calibration : Split, array or Tensor, optional
        Some hundred samples of training, as of :func:`dpap.calibrate`, by which scales are chosen where no
        proof leaves the weights their 8 bits. Without them weights keep what the proof leaves, or 4 bits.
    range_margin : float
        How much larger than on these samples currents may become.

    Returns
    -------
    dpap.networks.Network
        In evaluation mode. Its layers are named ``conv1``, ``fc1``, ... in their order.

    Raises
    ------
    FormatError
        The file is damaged or inconsistent, or the package nir is missing.
    CompileError
        A node has no counterpart here; it is named. Or neurons reset by subtraction.
    NetworkError
        All weights of a layer round to 0.
    InputError
        An argument is out of range, or ``time_steps`` is given nowhere.

    Warns
    -----
    ConversionWarning
        It is not known how the neurons reset (once a file); ``dt`` is not the file's, or time constants and
        delays look as though written for another than the default; or nearly none of a layer's neurons can
        reach their threshold.
    PrecisionWarning
        Rounding leaves a layer few levels, or many of its weights become 0 (:mod:`dpap.quantization.levels`).
    """
    graph = read_nir(source) if isinstance(source, (str, Path)) else source
    if kind(graph) != "NIRGraph":
        raise FormatError(f"this is a {kind(graph)}; expected the path of a NIR file, or a nir.NIRGraph")
    steps = _chosen(time_steps, graph, "time_steps", None)
    if steps is None:
        raise NetworkError("the file says no number of steps; give time_steps")
    largest, duration = _chosen(input_max, graph, "input_max", 1), _chosen(dt, graph, "dt", STEP_SECONDS)
    flat = topology(graph)
    doubts = [reset_doubt(reset, _metadata(graph).get("reset"), flat.nodes)]
    builder = Builder(flat, duration, steps, largest, input_divisor, input_shape)
    network = builder.network().eval()
    doubts.append(duration_doubt(dt, _written(graph, "dt"), STEP_SECONDS, flat.nodes))
    doubts.extend(unreachable(network, builder.populations, duration))
    where = f"{source}: " if isinstance(source, (str, Path)) else ""
    for doubt in doubts:
        if doubt is not None:
            warnings.warn(where + doubt, ConversionWarning, stacklevel=2)
    network.range_margin = range_margin
    if calibration is not None:
        return calibrate(network, calibration)
    warn_of_lost_levels(network)
    return network


def _metadata(graph) -> dict:
    return graph.metadata if isinstance(graph.metadata, dict) else {}


def _chosen(given: float | None, graph, key: str, default: float | None) -> float | None:
    """An argument, or what the file says of it."""
    if given is not None:
        return given
    written = _written(graph, key)
    return default if written is None else written


def _written(graph, key: str) -> float | None:
    """A number of the file's metadata, or None where it has none."""
    written = _metadata(graph).get(key)
    if written is None:
        return None
    value = numbers("metadata", key, written)
    if value.size != 1:
        raise FormatError(f"the metadata have {value.size} numbers for {key}; expected one")
    return value.item()
