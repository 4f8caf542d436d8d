"""Sections of a training run's configuration, each for one thing that the run needs."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dpap.data import Augmentation, data_set
from dpap.encoders import Encoder
from dpap.errors.known_names import by_name, known_by
from dpap.limits import MOST_STEPS
from dpap.neurons import LIF, AnyNeuron
from dpap.quantization.weight_bits import MARGIN, MOST_BITS, WeightBits


class Section(BaseModel):
    """Fields that do not change; unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DataConfig(Section):
    """The data of a run; the arguments of :func:`dpap.data.load`.

    Attributes
    ----------
    name : str
        One of :data:`dpap.data.DATA_SETS`.
    time_steps : int, optional
        T; by default that of the network's recipe, or the data set's.
    encoder : Encoder, optional
        By default the data set's.
    validation : int
        Samples held back from training, by which the best epoch is chosen.
    test : bool
        Measure the test part after every epoch. Without, it is not read: settings can be chosen by
        ``validation`` without having seen what they come to on the test part.
    augmentation : CropFlip or Distortion, optional
        Of the training samples.
    subset : bool
        Accept fewer samples than the data set has.
    download : bool
        Download what is missing.
    samples : int, optional
        Only the first so many samples of each part, to try a run out.
    in_memory : bool
        Encode the samples once and hold them.
    """

    name: Annotated[str, known_by(data_set)] = "digits"
    time_steps: int | None = Field(None, ge=1, le=MOST_STEPS)
    encoder: Annotated[Encoder | None, by_name("kind")] = None
    validation: int = Field(0, ge=0)
    test: bool = True
    augmentation: Augmentation | None = None
    subset: bool = False
    download: bool = False
    samples: int | None = Field(None, ge=1)
    in_memory: bool = False

    @model_validator(mode="after")
    def _measured(self) -> "DataConfig":
        if not (self.test or self.validation):
            raise ValueError(
                "test is off and validation is 0, so that no accuracy but that of training is known; hold"
                " samples back with data.validation"
            )
        return self


class NetworkConfig(Section):
    """The network of a run; arguments of :func:`dpap.networks.build`.

    Attributes
    ----------
    notation : str, optional
        In the papers' notation, or the name of one of :data:`dpap.networks.RECIPES`; by default the
        recipe for the data set.
    neuron : LIF, ReLU or another kind
        By its ``type`` (:data:`dpap.neurons.NEURONS`).
    bias : bool
    weight_bits : int or None
        1 to 8, or None for weights that are not rounded in training.
    range_margin : float
        How much larger than in training currents may become, where no proof bounds them.
    """

    notation: str | None = Field(None, max_length=4096)
    neuron: Annotated[AnyNeuron, by_name("type", "lif")] = LIF()
    bias: bool = False
    weight_bits: WeightBits = MOST_BITS
    range_margin: float = Field(MARGIN, ge=1, allow_inf_nan=False)


class ExecutionConfig(Section):
    """The device and processes of a run. They may change when it is resumed; it then ends at other weights.

    Attributes
    ----------
    device : str
        ``auto`` (CUDA or MPS where there is one), ``cpu``, ``cuda`` or ``mps``.
    devices, nodes : int
        Processes a machine, each with a device, and machines.
    threads : int, optional
        Of each process on the CPU; by default torch's choice. Small networks are fastest with 1.
    """

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: int = Field(1, ge=1, le=1 << 10)
    nodes: int = Field(1, ge=1, le=1 << 16)
    threads: int | None = Field(None, ge=1, le=1 << 10)
