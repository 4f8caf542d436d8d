r"""Chance as importance: the control that every criterion has to beat.

.. math::
    R \sim \mathcal{U}(0, 1), \text{ drawn anew for every synapse and neuron and every epoch.}

The draws depend on the configuration's seed, the layer's name and the epoch alone, so that a run that is
resumed draws what an uninterrupted one draws.
"""

import zlib
from typing import Any

import torch

from dpap.plasticity.importance import Constants, Importance, Synapses, criterion
from dpap.state import checked_state


@criterion("random")
class Random(Importance):
    """Uniform noise.

    Attributes
    ----------
    epochs : int
        Epochs completed.
    """

    observes = False

    def __init__(self, block: Synapses, constants: Constants):
        super().__init__(block, constants)
        self.epochs = 0

    def synapses(self) -> torch.Tensor:
        """One draw a synapse."""
        return self._draw("synapses", self.post, self.pre)

    def neurons(self) -> torch.Tensor:
        """One draw a neuron, on its own: a sum over synapses would hardly vary."""
        return self._draw("neurons", self.post)

    def _draw(self, what: str, *shape: int) -> torch.Tensor:
        text = f"{self.constants.seed}/{self.block.name}/{what}/{self.epochs}"
        generator = torch.Generator().manual_seed(zlib.crc32(text.encode()))
        return torch.rand(*shape, generator=generator).to(self.device)

    def new_epoch(self) -> None:
        """Draw other values in the next epoch."""
        self.epochs += 1

    def state_dict(self) -> dict[str, Any]:
        """The count of epochs."""
        return {"epochs": self.epochs}

    def load_state_dict(self, state: Any, where: str) -> None:
        """Restore the count."""
        self.epochs = checked_state(state, {"epochs": None}, where)["epochs"]
