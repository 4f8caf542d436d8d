"""The sources of each layer, and the synapses that a pruned neuron takes with it in later layers."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from dpap.blocks import Conv
from dpap.errors import InputError
from dpap.networks import INPUT
from dpap.pruning.prunable import Prunable


def source_names(network: nn.Module, blocks: Sequence[Prunable]) -> dict[str, tuple[str, ...]]:
    """The layers whose spikes reach each layer, by name.

    A network that is not a chain says so by ``sources_of(name)``: the layers whose spikes, added up, are the
    inputs of a layer, or the network's input, :data:`dpap.networks.INPUT`. A layer that also takes that has
    no source here: no pruning can silence its inputs. Without it the layers follow each other.

    Raises
    ------
    InputError
        A network's ``sources_of`` names a layer that is not one of ``blocks``.
    """
    names = [block.name for block in blocks]
    ask = getattr(network, "sources_of", None)
    if ask is None:
        return {name: tuple(names[index - 1 : index]) if index else () for index, name in enumerate(names)}
    received = {name: tuple(ask(name)) for name in names}
    sources = {name: () if INPUT in found else found for name, found in received.items()}
    for name, found in sources.items():
        for unknown in set(found) - set(names):
            raise InputError(
                f"{name} has the source {unknown!r}, which is no layer of synapses; there are {names}"
            )
    return sources


def receives_every_spike(network: nn.Module, block: Prunable, source: Prunable) -> bool:
    """Whether the inputs of a convolution, summed over positions, are its source's spikes, summed likewise.

    So it is where each spike falls into one window of a pool that sums, that is, where the windows cover the
    source. Its presynaptic traces are then known already. A network that has other pools says where it is so
    by ``sums_exactly(source name, name)``.
    """
    if not (isinstance(block, Conv) and isinstance(source, Conv)):
        return False
    window = source.output_shape[1] // block.input_shape[1]
    covered = source.output_shape[1:] == tuple(window * extent for extent in block.input_shape[1:])
    ask = getattr(network, "sums_exactly", None)
    return covered and (ask is None or bool(ask(source.name, block.name)))


def presynaptic_alive(
    block: Prunable, sources: Sequence[torch.Tensor], own: torch.Tensor
) -> torch.Tensor | None:
    """The presynaptic neurons of a layer that can still fire.

    Parameters
    ----------
    block : Prunable
        With ``groups``, each group of outputs receives the inputs of its group; with ``recurrent``, the
        inputs are followed by the layer's own outputs of the step before.
    sources : sequence of bool Tensors
        Alive masks of the source layers. Where several are added, an input is absent where all of them are.
    own : bool Tensor of shape (post,)
        Alive mask of the layer's own neurons.

    Returns
    -------
    bool Tensor of shape (pre,), or (post, pre / groups); None where all are alive

    Raises
    ------
    InputError
        The sources do not fit the layer or each other.
    """
    post, pre = block.weight.shape[:2]
    groups, recurrent = getattr(block, "groups", 1), getattr(block, "recurrent", False)
    inputs = pre * groups - (post if recurrent else 0)
    if not (sources or recurrent):
        return None
    if sources:
        if len({len(source) for source in sources}) > 1 or inputs % len(sources[0]):
            raise InputError(
                f"{block.name} has {inputs} inputs; its sources have"
                f" {', '.join(str(len(source)) for source in sources)} neurons, which do not fit"
            )
        # A dense layer has several inputs from each channel of a convolution: its positions.
        alive = torch.stack(tuple(sources)).any(0).repeat_interleave(inputs // len(sources[0]))
    else:
        alive = torch.ones(inputs, dtype=torch.bool, device=own.device)
    if recurrent:
        alive = torch.cat([alive, own])
    if groups > 1:
        return alive.view(groups, pre).repeat_interleave(post // groups, 0)
    return alive


AliveMasks = Mapping[str, tuple[torch.Tensor, torch.Tensor]]
"""Remaining synapses ``(post, pre / groups)`` and neurons ``(post,)`` of each layer, by name."""


def alive_synapses(
    blocks: Mapping[str, Prunable], sources: Mapping[str, tuple[str, ...]], alive_masks: AliveMasks
) -> dict[str, torch.Tensor]:
    """The synapses of each layer that are alive between neurons that are alive on both sides."""
    masks = {}
    for name, block in blocks.items():
        synapses, neurons = alive_masks[name]
        alive = synapses & neurons[:, None]
        received = presynaptic_alive(block, [alive_masks[source][1] for source in sources[name]], neurons)
        masks[name] = alive if received is None else alive & received
    return masks
