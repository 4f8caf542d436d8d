"""The alive masks of one layer under a pruner."""

from typing import Any

from dpap.pruning.prunable import Prunable
from dpap.state import checked_state


class PrunedLayer:
    """The alive masks of a layer's synapses and neurons.

    A synapse is a (post, pre) pair of neurons, or a kernel between two channels; a neuron is a channel in a
    convolution. What the layer's mask already lacks at the start is pruned.

    Parameters
    ----------
    block : Prunable
        The layer.
    prunable : bool
        Whether the pruner may prune it; not the output layer, nor one that is left out.

    Attributes
    ----------
    synapse_alive, neuron_alive : bool Tensors of shape (post, pre / groups) and (post,)
        What has not been pruned. A synapse that is alive here is still absent while its neuron, or the one
        that it comes from, is not.
    """

    def __init__(self, block: Prunable, prunable: bool):
        self.block, self.prunable = block, prunable
        self.synapse_alive = block.mask.flatten(1) != 0
        self.neuron_alive = self.synapse_alive.any(1)

    @property
    def name(self) -> str:
        """Name of the layer."""
        return self.block.name

    @property
    def groups(self) -> int:
        """Groups of a convolution, 1 elsewhere."""
        return getattr(self.block, "groups", 1)

    @property
    def kernel(self) -> int:
        """Weights of one synapse."""
        return self.block.weight[0, 0].numel()

    def state_dict(self) -> dict[str, Any]:
        """The layer's state, for a checkpoint: tensors, numbers, and dicts of them."""
        return {"synapse_alive": self.synapse_alive, "neuron_alive": self.neuron_alive}

    def load_state_dict(self, state: Any) -> None:
        """Restore what :meth:`state_dict` gave.

        Raises
        ------
        InputError
            The state is not one of this layer.
        """
        own = {"synapse_alive": self.synapse_alive, "neuron_alive": self.neuron_alive}
        for name, value in checked_state(state, own, self.name).items():
            getattr(self, name).copy_(value)
