"""The state of one layer under developmental pruning."""

import torch

from dpap.blocks import Conv
from dpap.plasticity import SlidingThreshold, bcm, spine_plasticity
from dpap.pruning.config import DPAPConfig, SurvivalConfig
from dpap.pruning.prunable import Prunable
from dpap.survival import normalize, survival_update
from dpap.traces import spiking_trace


def hears_every_spike(block: Prunable, source: Prunable) -> bool:
    """Whether the inputs of a convolution, summed over positions, are its source's spikes, summed likewise.

    So it is where each spike falls into one window of the pool between them, that is, where the windows cover
    the source. Its presynaptic traces are then known already.
    """
    if not (isinstance(block, Conv) and isinstance(source, Conv)):
        return False
    window = source.output_shape[1] // block.input_shape[1]
    return source.output_shape[1:] == tuple(window * extent for extent in block.input_shape[1:])


class DevelopingLayer:
    """Plasticity gathered over an epoch, survival functions, and what is still alive in one layer.

    A synapse is a (post, pre) pair of neurons, or a kernel between two channels; a neuron is a channel in a
    convolution.

    Attributes
    ----------
    synapse_survival, neuron_survival : Tensors of shape (post, pre) and (post,)
        Survival functions F.
    synapse_alive, neuron_alive : bool Tensors of the same shapes
        What has not been pruned.
    source : DevelopingLayer or None
        The layer before, where this one's presynaptic traces are that one's postsynaptic ones.
    observed : Tensor or None
        Postsynaptic traces of the last forward pass.
    """

    def __init__(
        self, block: Prunable, config: DPAPConfig, prunable: bool, source: "DevelopingLayer | None" = None
    ):
        self.block, self.config, self.prunable = block, config, prunable
        self.source = source if source is not None and hears_every_spike(block, source.block) else None
        post, pre = block.weight.shape[:2]
        device = block.weight.device
        self.constants: SurvivalConfig = config.conv if block.kind == "conv" else config.dense
        self.synapse_survival = torch.full((post, pre), config.beta, device=device)
        self.neuron_survival = torch.full((post,), config.beta, device=device)
        self.synapse_alive = torch.ones(post, pre, dtype=torch.bool, device=device)
        self.neuron_alive = torch.ones(post, dtype=torch.bool, device=device)
        self.threshold = SlidingThreshold(post, device)
        self.plasticity = torch.zeros(post, pre, device=device)
        self.trace_sum = torch.zeros(post, device=device)
        self.observed: torch.Tensor | None = None
        self._traces: list[tuple[torch.Tensor, torch.Tensor]] = []

    @torch.no_grad()
    def observe(self, inputs: torch.Tensor, activity: torch.Tensor) -> None:
        """Keep the traces of one forward pass (eq. 5, 6)."""
        # The inputs may be a single step that stands for all; activity has every step.
        steps, tau = len(activity), self.config.trace_decay
        if self.source is not None and self.source.observed is not None:
            summed = self.source.observed
        else:
            summed = spiking_trace(inputs, steps, tau)
        self.observed = spiking_trace(activity, steps, tau)
        self._traces.append((summed / self.block.input_divisor, self.observed))

    @torch.no_grad()
    def gather_batch(self) -> None:
        """Add the plasticity of the batch to the epoch's (eq. 7 to 10)."""
        if not self._traces:
            return
        pre, post = (torch.cat(traces) for traces in zip(*self._traces, strict=True))
        self.observed = None
        self._traces.clear()
        bcm(pre, post, self.threshold.update(post), total=self.plasticity)
        self.trace_sum += post.sum(0)

    @torch.no_grad()
    def develop(self, epoch: int) -> None:
        """Update the survival functions from the epoch's plasticity and prune (eq. 11 to 17)."""
        spines = spine_plasticity(self.trace_sum, self.plasticity)
        living_synapses = self.synapse_alive & self.neuron_alive[:, None]
        self.synapse_survival = self._survive(self.synapse_survival, self.plasticity, living_synapses, epoch)
        self.neuron_survival = self._survive(self.neuron_survival, spines, self.neuron_alive, epoch)
        self.synapse_alive &= self.synapse_survival >= 0
        self.neuron_alive &= self.neuron_survival >= 0
        self.plasticity.zero_()
        self.trace_sum.zero_()

    def _survive(self, survival, importance, alive, epoch):
        normalized = normalize(importance, alive, self.config.normalization)
        constants = self.constants.model_dump()
        return survival_update(survival, normalized, epoch, gamma=self.config.gamma, **constants)

    def state_dict(self) -> dict[str, torch.Tensor | int]:
        """Everything that is needed to go on from here (at the end of a batch)."""
        return {
            "synapse_survival": self.synapse_survival,
            "neuron_survival": self.neuron_survival,
            "synapse_alive": self.synapse_alive,
            "neuron_alive": self.neuron_alive,
            "threshold": self.threshold.value,
            "threshold_batches": self.threshold.batches,
            "plasticity": self.plasticity,
            "trace_sum": self.trace_sum,
        }

    def load_state_dict(self, state: dict[str, torch.Tensor | int]) -> None:
        """Restore what :meth:`state_dict` gave."""
        self.threshold.value.copy_(state["threshold"])
        self.threshold.batches = int(state["threshold_batches"])
        for name in (
            "synapse_survival",
            "neuron_survival",
            "synapse_alive",
            "neuron_alive",
            "plasticity",
            "trace_sum",
        ):
            getattr(self, name).copy_(state[name])
