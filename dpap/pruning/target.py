"""What pruning is steered to."""

from pydantic import BaseModel, ConfigDict, Field, model_validator


class TargetConfig(BaseModel):
    r"""A pruning rate, or a budget of synaptic operations, to be reached by steering the decay.

    The path from the start to the target falls sharply and then settles, as connections do in the paper's
    Fig. 4G, by the cubic of Zhu and Gupta (2017, eq. 1):

    .. math::
        c(n) = c_{end} + (c_{start} - c_{end}) \left(1 - \frac{n - n_0}{n_1 - n_0}\right)^3

    with :math:`n` epochs completed, :math:`n_0` those of the warm-up and of the first decay, and
    :math:`n_1` = ``epochs``. :math:`c` is the number of living weights, or the SynOps of an inference
    (:mod:`dpap.pruning.steering`).

    Attributes
    ----------
    pruning_rate : float, optional
        Weights removed over weights at the start, of the whole network.
    synops : float, optional
        Budget of effective synaptic operations of an inference, as the trainer estimates them. One of the
        two is given.
    epochs : int
        Epochs of learning by which the target is reached.
    look_ahead : int
        Epochs that units are given to decay before the first dies, and that steering looks ahead. At most
        half of the epochs that there are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pruning_rate: float | None = Field(None, gt=0, lt=1)
    synops: float | None = Field(None, gt=0, allow_inf_nan=False)
    epochs: int = Field(ge=1)
    look_ahead: int = Field(8, ge=1)

    @model_validator(mode="after")
    def _one(self) -> "TargetConfig":
        if (self.pruning_rate is None) == (self.synops is None):
            raise ValueError("give either pruning_rate or synops as the target")
        return self

    def first_death(self, start: int) -> int:
        """Epochs completed before the path asks for a death; ``start`` is those of the warm-up."""
        return start + min(self.look_ahead, (self.epochs - start) // 2)

    def share_of_path(self, completed: int, start: int) -> float:
        """What is left of the way to the target after so many epochs, 1 to 0."""
        first = self.first_death(start)
        progress = (completed - first) / max(self.epochs - first, 1)
        return (1 - min(max(progress, 0.0), 1.0)) ** 3
