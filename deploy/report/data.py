"""The data of a report."""

from collections.abc import Sequence
from dataclasses import dataclass

from deploy.hardware import Comparison, Estimate
from deploy.hardware.stopping import EarlyExit
from deploy.ir import Graph
from deploy.measurement.measurement import Measurement
from deploy.recording import Recording
from deploy.verification.verification import Certificate
from dpap.pruning import RecordedPruningHistory
from dpap.training import EpochRecord


@dataclass(frozen=True)
class LayerPruning:
    """The synapses and neurons that a pruner removed from one layer.

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
        Of samples of the test split.
    measurement : Measurement
        Of that recording.
    estimate : Estimate
        Of that measurement.
    accuracy : float
        Of the integer graph on the whole test split, 0 to 1.
    trained_accuracy : float
        Of the trained network in torch on the same.
    tested : int
        Samples of the test split.
    """

    label: str
    history: Sequence[EpochRecord]
    pruning: dict[str, LayerPruning]
    graph: Graph
    recording: Recording
    measurement: Measurement
    estimate: Estimate
    accuracy: float
    trained_accuracy: float
    tested: int

    @property
    def pruning_rate(self) -> float:
        """Synapses removed over synapses at the start, 0 to 1."""
        total = sum(layer.synapses for layer in self.pruning.values())
        return sum(layer.synapses_pruned for layer in self.pruning.values()) / total


@dataclass(frozen=True, eq=False)
class ReportData:
    """A run to report: a pruned network, and its control if there is one.

    Attributes
    ----------
    title : str
    settings : dict of str to str
        Data, network, seed, training, pruning constants, and versions, in the order to print.
    pruned : Variant
    control : Variant or None
    labels : sequence of int
        Labels of the recorded samples.
    certificate : Certificate
        Of the pruned network.
    raster_sample : int
        Index of the test sample whose spikes are drawn.
    comparison : Comparison, optional
        Of the control with the pruned network.
    early_exit : tuple of EarlyExit, optional
        Of each of the networks.
    pruning_history : RecordedPruningHistory, optional
        Of the pruned network.
    """

    title: str
    settings: dict[str, str]
    pruned: Variant
    control: Variant | None
    labels: Sequence[int]
    certificate: Certificate
    raster_sample: int = 0
    comparison: Comparison | None = None
    early_exit: tuple[EarlyExit, ...] | None = None
    pruning_history: RecordedPruningHistory | None = None

    @property
    def networks(self) -> tuple[Variant, ...]:
        """The control, where there is one, and the pruned network, in the order in which they are drawn."""
        return (self.pruned,) if self.control is None else (self.control, self.pruned)
