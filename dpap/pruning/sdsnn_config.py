"""Constants of SD-SNN."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dpap.pruning.floor import FloorConfig


class StructureConfig(BaseModel):
    r"""Constants of one kind of layer; percentages are of the layer's neurons, or of its synapses.

    Attributes
    ----------
    pruning_percent : float
        Share of neurons that is pruned at first.
    gain, gain_decay : float
        :math:`g` and :math:`\tau` of its growth (:mod:`dpap.pruning.neurotrophic`).
    late_gain : float
        Its growth later.
    late_from : int, optional
        Epochs of neuronal pruning after which that is.
    growth_percentile : float
        :math:`g_0` of regeneration (:mod:`dpap.pruning.regeneration`).
    alive_weights : int
        Remaining weights from which a neuron counts as alive.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pruning_percent: float = Field(ge=0, le=100)
    gain: float = Field(ge=0, allow_inf_nan=False)
    gain_decay: float = Field(gt=0, allow_inf_nan=False)
    late_gain: float = Field(0.0, ge=0, allow_inf_nan=False)
    late_from: int | None = Field(None, ge=0)
    growth_percentile: float = Field(ge=0, le=100)
    alive_weights: int = Field(ge=1)


class SDSNNConfig(BaseModel):
    """Constants of SD-SNN; the defaults are those of its authors' code.

    Attributes
    ----------
    patience : int
        N, in epochs. Weights are clamped after more than N of them, neurons pruned and synapses grown after
        more than 2N.
    shrink : float
        Factor of the range of a weight that shrinks.
    conv, dense : StructureConfig
        Constants of convolutions and of fully connected layers.
    layers : dict of str to StructureConfig
        Constants of single layers, by name, instead of their kind's.
    growth_base, growth_limit : float
        Base and largest value of the percentile of regeneration.
    growth_sign : str
        ``any``: what the gradient changes most comes back; ``excitatory``: only what it makes positive (the
        authors' code).
    constrain_convolutions : bool
        Whether ranges of convolutions change. In the authors' code they do not, by a slip.
    freeze : int, optional
        Epochs of learning after which the structure is fixed: ranges, neurons and synapses.
    floor : FloorConfig
        Neurons that are left of every layer at least; its synapses are not used, as none is pruned alone.
    left_out : tuple of str
        Layers that are left as they are, by name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    patience: int = Field(18, ge=1, le=32767)
    shrink: float = Field(0.75, gt=0, le=1)
    conv: StructureConfig = StructureConfig(
        pruning_percent=0.5, gain=1.0, gain_decay=5.0, growth_percentile=65.0, alive_weights=20
    )
    dense: StructureConfig = StructureConfig(
        pruning_percent=2.0,
        gain=0.5,
        gain_decay=1.0,
        late_gain=0.0005,
        late_from=24,
        growth_percentile=60.0,
        alive_weights=50,
    )
    layers: dict[str, StructureConfig] = {}
    growth_base: float = Field(1.1, ge=1, allow_inf_nan=False)
    growth_limit: float = Field(99.0, ge=0, le=100)
    growth_sign: Literal["any", "excitatory"] = "any"
    constrain_convolutions: bool = True
    freeze: int | None = Field(None, ge=0)
    floor: FloorConfig = FloorConfig()
    left_out: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _ordered(self) -> "SDSNNConfig":
        for kind in ("conv", "dense"):
            start = getattr(self, kind).growth_percentile
            if start > self.growth_limit:
                raise ValueError(
                    f"{kind}.growth_percentile is {start}; at most growth_limit, {self.growth_limit}"
                )
        return self

    @classmethod
    def authors_code(cls, **changes) -> "SDSNNConfig":
        """The authors' public code (BrainCog, SD-SNN), its slip included; ``changes`` are other fields."""
        return cls(**({"growth_sign": "excitatory", "constrain_convolutions": False} | changes))

    def constants(self, name: str, kind: Literal["conv", "dense"]) -> StructureConfig:
        """The constants of one layer."""
        return self.layers.get(name, self.conv if kind == "conv" else self.dense)
