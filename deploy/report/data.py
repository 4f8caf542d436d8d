"""What a report is made of."""

from collections.abc import Sequence
from dataclasses import dataclass

from deploy.graph import Graph
from deploy.hardware import Comparison, Estimate
from deploy.hardware.stopping import EarlyExit
from deploy.measurement import Measurement
from deploy.recording import Recording
from deploy.verification import Certificate
from dpap.training import EpochRecord


@dataclass(frozen=True)
class LayerPruning:
    """What a pruner removed from one layer.

    Attributes
    ----------
    synapses, synapses_pruned : int
        Trained weights at the start, and those that were removed.
    neurons, neurons_pruned : int
        Neurons (channels in convolutions) at the start, and those that were removed.
    """

    synapses: int
    synapses_pruned: int
    neurons: int
    neurons_pruned: int


@dataclass(frozen=True, eq=False)
class Variant:
    """One network of a run, deployed.

    Attributes
    ----------
    label : str
        As it is named to the reader: ``DPAP``, ``unpruned control``.
    history : sequence of EpochRecord
        Training, epoch by epoch.
    pruning : dict of str to LayerPruning
        By layer.
    graph : Graph
    recording : Recording
        Of the whole test split.
    measurement : Measurement
        Of that recording.
    estimate : Estimate
        Of that measurement.
    accuracy : float
        Of the integer graph on the test split, 0 to 1.
    """

    label: str
    history: Sequence[EpochRecord]
    pruning: dict[str, LayerPruning]
    graph: Graph
    recording: Recording
    measurement: Measurement
    estimate: Estimate
    accuracy: float

    @property
    def pruning_rate(self) -> float:
        """Synapses removed over synapses at the start, 0 to 1."""
        total = sum(layer.synapses for layer in self.pruning.values())
        return sum(layer.synapses_pruned for layer in self.pruning.values()) / total


@dataclass(frozen=True, eq=False)
class ReportData:
    """A run to report: a pruned network beside its control.

    Attributes
    ----------
    title : str
    settings : dict of str to str
        Data, network, seed, training, pruning constants, and versions, in the order to print.
    pruned, control : Variant
    labels : sequence of int
        Labels of the test split.
    certificate : Certificate
        Of the pruned network.
    raster_sample : int
        Index of the test sample whose spikes are drawn.
    comparison : Comparison, optional
        Of the control with the pruned network.
    early_exit : pair of EarlyExit, optional
        Of the control and of the pruned network.
    """

    title: str
    settings: dict[str, str]
    pruned: Variant
    control: Variant
    labels: Sequence[int]
    certificate: Certificate
    raster_sample: int = 0
    comparison: Comparison | None = None
    early_exit: tuple[EarlyExit, EarlyExit] | None = None
