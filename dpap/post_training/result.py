"""The result of quantisation after training, layer by layer."""

from dataclasses import asdict, dataclass
from typing import Any

from dpap.networks import Network


@dataclass(frozen=True)
class LayerQuantization:
    """The result of one layer.

    Attributes
    ----------
    weight_bits : int
    weight_range : float
        Magnitude at which its real weights, normalisation folded in, are clipped.
    largest_weight : float
        Their largest magnitude before.
    scale : float
        Integer units of a real weight of 1.
    threshold : int
        Integer threshold.
    sum_error : float
        Of what drives its neurons, the root mean square of the change over that of the original, both for
        the inputs that the layer has in the original network.
    activity_error : float
        The same of the activity that the layer has in the quantised network, errors of the layers before
        included. Of spikes its square is the number that came or went, over the number there was.
    """

    weight_bits: int
    weight_range: float
    largest_weight: float
    scale: float
    threshold: int
    sum_error: float
    activity_error: float


@dataclass(frozen=True, eq=False)
class Quantization:
    """A quantised network and how it differs from the original.

    Attributes
    ----------
    network : Network
        Of its own; it compiles.
    layers : dict of str to LayerQuantization
    calibration_samples : int
    samples : int or None
        Samples that the accuracies were measured on, if there were any.
    original_accuracy, accuracy : float or None
        Of the network with weights that are not rounded, and of the quantised one, 0 to 1.
    """

    network: Network
    layers: dict[str, LayerQuantization]
    calibration_samples: int
    samples: int | None = None
    original_accuracy: float | None = None
    accuracy: float | None = None

    @property
    def accuracy_drop(self) -> float | None:
        """Accuracy lost, 0 to 1; negative where some was won, None where none was measured."""
        return None if self.samples is None else self.original_accuracy - self.accuracy

    def to_dict(self) -> dict[str, Any]:
        """Everything but the network, as plain values."""
        return {
            "layers": {name: asdict(layer) for name, layer in self.layers.items()},
            "calibration_samples": self.calibration_samples,
            "samples": self.samples,
            "original_accuracy": self.original_accuracy,
            "accuracy": self.accuracy,
            "accuracy_drop": self.accuracy_drop,
        }
