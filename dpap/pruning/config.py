"""Constants of DPAP."""

from pydantic import BaseModel, ConfigDict, Field

from dpap.survival import Normalization


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
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epsilon: float = Field(ge=0, le=2)
    protection: float = Field(ge=0, allow_inf_nan=False)
    eta: float = Field(gt=0, allow_inf_nan=False)


class DPAPConfig(BaseModel):
    r"""Constants of DPAP; the defaults are the paper's (Han et al. 2024, section 3).

    Attributes
    ----------
    trace_decay : float
        :math:`\tau` of the spiking traces (eq. 5, 6).
    conv, dense : SurvivalConfig
        Constants of convolutions and of fully connected layers.
    beta : float
        Survival function at the start.
    gamma : float
        Decay constant of the survival function (eq. 16, 17).
    normalization : str
        ``minmax`` (the paper) or ``percentile`` (the authors' code).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    trace_decay: float = Field(0.5, ge=0, le=1)
    conv: SurvivalConfig = SurvivalConfig(epsilon=0.65, protection=5.0, eta=12.0)
    dense: SurvivalConfig = SurvivalConfig(epsilon=1.5, protection=2.0, eta=13.0)
    beta: float = Field(10.0, gt=0, allow_inf_nan=False)
    gamma: float = Field(0.999, gt=0, le=1)
    normalization: Normalization = "minmax"
