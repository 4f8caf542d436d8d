"""The target that pruning is controlled to reach."""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dpap.pruning.budget import Budget


class TargetConfig(BaseModel):
    r"""A pruning rate, or a budget, to be reached by controlling the decay.

    The path from the start to the target falls sharply and then settles, as connections do in the paper's
    Fig. 4G, by the cubic of Zhu and Gupta (2017, eq. 1):

    .. math::
        c(n) = c_{end} + (c_{start} - c_{end}) \left(1 - \frac{n - n_0}{n_1 - n_0}\right)^3

    with :math:`n` epochs completed, :math:`n_0` those of the warm-up and of the first decay, and
    :math:`n_1` = ``epochs``. :math:`c` is the number of remaining weights, the SynOps of an inference
    (:mod:`dpap.pruning.target_controller`), or what a budget limits (:mod:`dpap.pruning.budget_controller`).

    Attributes
    ----------
    pruning_rate : float, optional
        Weights removed over weights at the start, of the whole network.
    synops : float, optional
        Budget of effective synaptic operations of an inference, as the trainer estimates them.
    budget : Budget, optional
        What is measured of the compiled network, as text too: ``energy=5uJ:loihi1/sanafe_fit``. One of the
        three is given.
    epochs : int
        Epochs of learning by which the target is reached.
    look_ahead : int
        Epochs that units are given to decay before the first is pruned, and that the controller looks ahead.
        At most half of all epochs.
    samples : int
        Samples that a training run measures its budget on: of those that are held back for validation, or
        else of the training samples. Never of the test part.
    min_accuracy : float, optional
        With a budget: nothing is pruned after an epoch at whose end the compiled network is less accurate on
        those samples (0 to 1). What is pruned already stays so, and pruning resumes when accuracy is back.
    max_drop : float, optional
        The same, as a difference to the accuracy at the start of pruning. Both can be given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pruning_rate: float | None = Field(None, gt=0, lt=1)
    synops: float | None = Field(None, gt=0, allow_inf_nan=False)
    budget: Budget | None = None
    epochs: int = Field(ge=1)
    look_ahead: int = Field(8, ge=1)
    samples: int = Field(256, ge=1)
    min_accuracy: float | None = Field(None, ge=0, le=1)
    max_drop: float | None = Field(None, ge=0, le=1)

    @model_validator(mode="after")
    def _one(self) -> "TargetConfig":
        if sum(goal is not None for goal in (self.pruning_rate, self.synops, self.budget)) != 1:
            raise ValueError("give one of pruning_rate, synops and budget as the target")
        if self.budget is None and not (self.min_accuracy is None and self.max_drop is None):
            raise ValueError("min_accuracy and max_drop need a budget, with which accuracy is measured")
        return self

    def first_pruning(self, start: int) -> int:
        """Epochs completed before the path requires pruning; ``start`` is those of the warm-up."""
        return start + min(self.look_ahead, (self.epochs - start) // 2)

    def share_of_path(self, completed: int, start: int) -> float:
        """The share of the path to the target that is left after so many epochs, 1 to 0."""
        first = self.first_pruning(start)
        progress = (completed - first) / max(self.epochs - first, 1)
        return (1 - min(max(progress, 0.0), 1.0)) ** 3
