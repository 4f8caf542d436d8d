"""How a network is trained."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Loss = Literal["mse", "cross-entropy"]
"""``mse`` is the squared error of firing rates, ``cross-entropy`` that of rates or logits."""


class BriefEpochs(BaseModel):
    """Epochs in which a network may run fewer steps than it has, which costs as much less.

    Attributes
    ----------
    epochs : int
    time_steps : int
        Steps of an inference in them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(ge=1)
    time_steps: int = Field(ge=1)


class TrainingConfig(BaseModel):
    """How a network is trained.

    Attributes
    ----------
    epochs, batch_size : int
        Passes over the training split, and samples a step: of all processes, where there are several.
    optimizer : str
        ``adamw`` or ``sgd``, which has Nesterov's momentum.
    learning_rate, weight_decay, momentum : float
        Of the optimiser; momentum is SGD's.
    schedule : str
        ``cosine``: the rate falls to zero along half a cosine; or ``constant``.
    cycles : tuple of int
        Epochs of each fall of the cosine, where there are several: the rate starts again after each.
    warm_up : int
        Epochs over which the rate rises linearly to what the schedule says.
    loss : str, optional
        ``mse`` (eq. 3) or ``cross-entropy``; by default the paper's for the network's neurons
        (:data:`dpap.training.loss.LOSSES`).
    label_smoothing : float
        Share of a label that is spread evenly over all classes.
    clip_norm : float, optional
        The largest Euclidean norm of the gradient of all parameters; larger ones are scaled down to it.
    frozen_statistics : int
        Last epochs in which batch normalisation keeps its statistics and trains on the integers that are
        deployed (:meth:`dpap.networks.Network.freeze_statistics`).
    brief : tuple of BriefEpochs
        Time steps of the first epochs, in turn, at most the network's; the others learn with all. Accuracy
        is always measured with all. For samples that are the same at every step.
    warn_drop : float
        A :class:`~dpap.PruningWarning` is given when the training accuracy of an epoch is by more than this
        (0 to 1) below that of the best epoch before, and synapses were pruned since.
    seed : int
        Draws the order of the samples and what layers draw; with :func:`torch.manual_seed` or in a run
        also the weights.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(60, ge=1)
    batch_size: int = Field(64, ge=1)
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = Field(3e-3, gt=0, allow_inf_nan=False)
    weight_decay: float = Field(0.01, ge=0, allow_inf_nan=False)
    momentum: float = Field(0.9, ge=0, lt=1)
    schedule: Literal["cosine", "constant"] = "cosine"
    cycles: tuple[Annotated[int, Field(ge=1)], ...] = ()
    warm_up: int = Field(0, ge=0)
    loss: Loss | None = None
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    clip_norm: float | None = Field(None, gt=0, allow_inf_nan=False)
    frozen_statistics: int = Field(0, ge=0)
    brief: tuple[BriefEpochs, ...] = ()
    warn_drop: float = Field(0.1, gt=0, le=1)
    seed: int = Field(0, ge=0, lt=1 << 32)

    @model_validator(mode="after")
    def _within_epochs(self) -> "TrainingConfig":
        for name in ("warm_up", "frozen_statistics"):
            value = getattr(self, name)
            if value > self.epochs:
                raise ValueError(f"{name} is {value}; expected at most epochs, {self.epochs}")
        brief = sum(part.epochs for part in self.brief)
        if brief > self.epochs:
            raise ValueError(f"brief has {brief} epochs; expected at most epochs, {self.epochs}")
        if self.cycles and sum(self.cycles) != self.epochs:
            raise ValueError(f"cycles have {sum(self.cycles)} epochs; expected all of epochs, {self.epochs}")
        if self.cycles and self.schedule != "cosine":
            raise ValueError(f"cycles are the cosine's; schedule is {self.schedule}")
        return self

    @property
    def cycle_lengths(self) -> tuple[int, ...]:
        """Epochs of each cycle of the learning rate."""
        return self.cycles or (self.epochs,)

    @property
    def cycle_starts(self) -> tuple[int, ...]:
        """Epochs that are done before each."""
        return tuple(sum(self.cycle_lengths[:index]) for index in range(len(self.cycle_lengths)))

    def brief_steps(self, epoch: int) -> int | None:
        """Time steps that epoch ``epoch``, from 1, learns with; None where it is all of the network's."""
        for part in self.brief:
            if epoch <= part.epochs:
                return part.time_steps
            epoch -= part.epochs
        return None
