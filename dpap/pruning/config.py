"""Constants of DPAP."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dpap.errors.known_names import known_by
from dpap.plasticity import find_criterion
from dpap.pruning.floor import FloorConfig
from dpap.pruning.schedule import ScheduleConfig
from dpap.pruning.survival import UPPER_PERCENTILE, Normalization
from dpap.pruning.target import TargetConfig


class SurvivalConfig(BaseModel):
    r"""Constants of the survival functions of one kind of layer (eq. 12 to 17).

    Attributes
    ----------
    epsilon : float
        Decay value :math:`\epsilon`: a unit whose normalised importance is below half of it decays. Above 2
        every unit decays, and a layer can be emptied.
    protection : float
        Constant :math:`C` added for a unit that does not decay.
    eta : float
        Decay rate :math:`\eta` in epochs: how fast the structure settles.
    synapses, neurons : bool
        Whether synapses, and whether neurons, are pruned by survival functions of their own. The authors'
        code has no synapses in convolutions.
    beta, gamma : float, optional
        As in :class:`DPAPConfig`, whose value is taken where this is None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epsilon: float = Field(ge=0, le=2)
    protection: float = Field(ge=0, allow_inf_nan=False)
    eta: float = Field(gt=0, allow_inf_nan=False)
    synapses: bool = True
    neurons: bool = True
    beta: float | None = Field(None, gt=0, allow_inf_nan=False)
    gamma: float | None = Field(None, gt=0, le=1)


_PAPER_DENSE = SurvivalConfig(epsilon=1.5, protection=2.0, eta=13.0)


class LayerConfig(BaseModel):
    """Constants of one layer; None where it has those of its kind (:class:`SurvivalConfig`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epsilon: float | None = Field(None, ge=0, le=2)
    protection: float | None = Field(None, ge=0, allow_inf_nan=False)
    eta: float | None = Field(None, gt=0, allow_inf_nan=False)
    synapses: bool | None = None
    neurons: bool | None = None
    beta: float | None = Field(None, gt=0, allow_inf_nan=False)
    gamma: float | None = Field(None, gt=0, le=1)


class DPAPConfig(BaseModel):
    r"""Constants of DPAP.

    The defaults are those that hold on small networks too: the paper's (Han et al. 2024, section 3;
    :meth:`paper`), but importance is normalised by a percentile, as in the authors' code, and ``epsilon`` of
    dense layers is 1.85. The paper's linear normalisation lets the few largest synapses set the scale, and
    can prune a small layer to a few per mille within some epochs (``benchmarks/README.md``).

    Attributes
    ----------
    importance : str
        Name of the measure of importance (:func:`dpap.plasticity.criteria`): ``bcm``, or for an ablation
        ``stdp``, ``hebb``, ``magnitude``, ``random``.
    trace_decay : float
        :math:`\tau` of the spiking traces (eq. 5, 6).
    trace_per_step : bool
        Whether the final trace is divided by T (the authors' code).
    threshold : str
        Whose sliding threshold (eq. 8): ``neuron``, one a neuron, from the batch's mean; ``slot``, one for
        each position in the batch (the authors' code).
    threshold_includes_batch : bool
        Whether a batch is in the threshold that it is compared with. The authors' code takes it in after.
    reset_each_epoch : bool
        Whether plasticity and traces are summed over an epoch (eq. 10, 11), or since learning began (the
        authors' code).
    spines : str
        Dendritic spine plasticity: ``product`` (eq. 11), or ``unit_product``, the product of the two sums,
        each brought to [0, 1] over the layer (the authors' code).
    normalization : str
        ``percentile`` (the authors' code) or ``minmax`` (the paper).
    percentile : float
        Share of a layer's units below the maximum of ``percentile``; 0.75 in the authors' code.
    staircase : bool
        Whether the exponent of eq. 16 and 17 is truncated to a whole number (the authors' code).
    conv, dense : SurvivalConfig
        Constants of convolutions and of fully connected layers.
    layers : dict of str to LayerConfig
        What single layers have for themselves, by name.
    beta : float
        Survival function at the start.
    gamma : float
        Decay constant of the survival function (eq. 16, 17).
    schedule : ScheduleConfig
        Epochs before the first pruning, and after the last.
    target : TargetConfig, optional
        A pruning rate or a budget to be reached.
    floor : FloorConfig
        What is left of every layer at least.
    left_out : tuple of str
        Layers that are not pruned, by name. Synapses that come from pruned neurons go nevertheless.
    seed : int
        Of the criterion ``random``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    importance: Annotated[str, known_by(find_criterion)] = "bcm"
    trace_decay: float = Field(0.5, ge=0, le=1)
    trace_per_step: bool = False
    threshold: Literal["neuron", "slot"] = "neuron"
    threshold_includes_batch: bool = True
    reset_each_epoch: bool = True
    spines: Literal["product", "unit_product"] = "product"
    normalization: Normalization = "percentile"
    percentile: float = Field(UPPER_PERCENTILE, gt=0, le=1)
    staircase: bool = False
    conv: SurvivalConfig = SurvivalConfig(epsilon=0.65, protection=5.0, eta=12.0)
    dense: SurvivalConfig = SurvivalConfig(epsilon=1.85, protection=2.0, eta=13.0)
    layers: dict[str, LayerConfig] = {}
    beta: float = Field(10.0, gt=0, allow_inf_nan=False)
    gamma: float = Field(0.999, gt=0, le=1)
    schedule: ScheduleConfig = ScheduleConfig()
    target: TargetConfig | None = None
    floor: FloorConfig = FloorConfig()
    left_out: tuple[str, ...] = ()
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> "DPAPConfig":
        if self.target is not None:
            if self.target.epochs <= self.schedule.warm_up:
                raise ValueError(
                    f"target.epochs is {self.target.epochs}; it must be later than schedule.warm_up,"
                    f" {self.schedule.warm_up}"
                )
            freeze = self.schedule.freeze
            if freeze is not None and freeze < self.target.epochs:
                raise ValueError(
                    f"schedule.freeze is {freeze}; the target is to be reached by epoch {self.target.epochs}"
                )
        return self

    @classmethod
    def paper(cls, **changes) -> "DPAPConfig":
        """The method as the paper writes it (Han et al. 2024, section 3).

        Parameters
        ----------
        changes
            Fields to be set otherwise.
        """
        return cls(**({"normalization": "minmax", "dense": _PAPER_DENSE} | changes))

    @classmethod
    def authors_code(cls, **changes) -> "DPAPConfig":
        """The method as the authors' public code has it (BrainCog, DPAP), where it differs from the paper.

        Kept as in the paper, because it is a matter of the implementation: the normalisation runs over what
        is alive, units of equal importance are all important, and a decay of exactly zero is protected.

        Parameters
        ----------
        changes
            Fields to be set otherwise.
        """
        form = {
            "trace_per_step": True,
            "threshold": "slot",
            "threshold_includes_batch": False,
            "reset_each_epoch": False,
            "spines": "unit_product",
            "normalization": "percentile",
            "staircase": True,
            "conv": SurvivalConfig(epsilon=0.65, protection=5.0, eta=12.0, synapses=False),
            "dense": _PAPER_DENSE,
            "schedule": ScheduleConfig(warm_up=5),
        }
        return cls(**(form | changes))

    def constants(self, name: str, kind: Literal["conv", "dense"]) -> SurvivalConfig:
        """The constants of one layer, with every value set."""
        common = {"beta": self.beta, "gamma": self.gamma}
        of_kind = (self.conv if kind == "conv" else self.dense).model_dump(exclude_none=True)
        own = self.layers[name].model_dump(exclude_none=True) if name in self.layers else {}
        return SurvivalConfig(**(common | of_kind | own))
