"""The schedule of pruning: warm-up and freeze."""

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ScheduleConfig(BaseModel):
    """Epochs in which a network is pruned.

    Attributes
    ----------
    warm_up : int
        Epochs of learning before the first that can prune. Decay counts its epochs from there.
    freeze : int, optional
        Epochs of learning after which the structure is fixed: nothing is pruned any more, and nothing grows.
        By default it never is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    warm_up: int = Field(0, ge=0)
    freeze: int | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> "ScheduleConfig":
        if self.freeze is not None and self.freeze < self.warm_up:
            raise ValueError(f"freeze is {self.freeze}; it must not come before warm_up, {self.warm_up}")
        return self

    def warming_up(self, epoch: int) -> bool:
        """Whether the epoch, counted from 0, is one of the warm-up."""
        return epoch < self.warm_up

    def frozen(self, epoch: int) -> bool:
        """Whether the structure is fixed by the epoch, counted from 0."""
        return self.freeze is not None and epoch >= self.freeze
