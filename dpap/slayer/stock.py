"""Inspection of stock SLAYER blocks: kind, neuron and weights, or the reason why there is no counterpart.

Stock classes are recognised by their name and module, so that inspecting a network does not import Lava.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.weight_norm import WeightNorm

from dpap.errors import InputError, NetworkError
from dpap.neurons import LIF
from dpap.neurons.parameters import DECAY_UNITY, STATE_SHIFT
from dpap.slayer.masking import MaskedQuantizer, RecurrentQuantizer

BLOCKS = "lava.lib.dl.slayer.block."
CUBA_BLOCKS = f"{BLOCKS}cuba"
CUBA_NEURONS = "lava.lib.dl.slayer.neuron.cuba"
DROPOUT = "lava.lib.dl.slayer.neuron.dropout", "Dropout"
DELAY = "lava.lib.dl.slayer.axon.delay", "Delay"


def blocks_of(network: nn.Module) -> list[nn.Module]:
    """The blocks of a network: its ``blocks``, or itself where it is a Sequential or a ModuleList.

    Raises
    ------
    InputError
        It has none.
    """
    blocks = getattr(network, "blocks", network)
    if not isinstance(blocks, (nn.ModuleList, nn.Sequential)):
        raise InputError(
            f"this is a {type(network).__name__}; expected a dpap Network (dpap.networks.build), or stock"
            " SLAYER blocks: a Sequential, a ModuleList, or a module with such `blocks`"
        )
    return list(blocks)


def stock_kind(block: nn.Module) -> str | None:
    """Name of the stock CUBA class, such as ``Conv``; None for anything else, subclasses included."""
    return type(block).__name__ if type(block).__module__ == CUBA_BLOCKS else None


def is_stock(module: nn.Module, place: tuple[str, str]) -> bool:
    """Whether a module is of the stock class that a module and a name say, such as :data:`DELAY`."""
    return (type(module).__module__, type(module).__name__) == place


def label(index: int, block: nn.Module) -> str:
    """The block in a message: ``block 2 (cuba.Dense)``, with its family where it is stock."""
    return f"block {index} ({_class_name(type(block))})"


def _class_name(kind: type) -> str:
    family = kind.__module__.removeprefix(BLOCKS)
    return f"{family}.{kind.__name__}" if family != kind.__module__ else kind.__name__


def remedy(block: nn.Module, family: str, otherwise: str) -> str:
    """Advice for a block without a counterpart that looks as if it had one; else ``otherwise``.

    Parameters
    ----------
    block : nn.Module
    family : str
        Module of the stock blocks that are taken, such as :data:`CUBA_BLOCKS`.
    otherwise : str
    """
    kind, short = type(block), family.removeprefix(BLOCKS)
    for base in kind.__mro__[1:]:
        if base.__module__ == family:
            return (
                f"it is a subclass of {_class_name(base)}, and may do something else: make it a"
                f" {_class_name(base)} itself"
            )
    if kind.__module__.startswith(BLOCKS) and kind.__module__ != family:
        return f"its neurons are of another kind: train the network with {short} blocks throughout"
    return otherwise


def read_neuron(block: nn.Module, where: str) -> tuple[LIF, int]:
    r"""The neuron of a stock block, and its scale.

    SLAYER computes in float32 with :math:`\vartheta + \epsilon` for a strict comparison. That is exact
    where the scale is a power of two and where :math:`\epsilon` survives the rounding.

    Parameters
    ----------
    block : nn.Module
        A stock ``cuba.Conv``, ``cuba.Dense``, ``cuba.Pool`` or ``cuba.Recurrent``; it is not changed.
    where : str
        The block, for errors.

    Raises
    ------
    NetworkError
        The neuron has something that :class:`dpap.neurons.LIF` cannot say.
    """
    neuron = block.neuron
    if type(neuron).__module__ != CUBA_NEURONS:
        raise NetworkError(
            f"{where}: its neuron is a {type(neuron).__name__}; expected slayer.neuron.cuba.Neuron:"
            " make a new block, as a cuba block"
        )
    # Recurrent neurons need a state that persists from step to step.
    persists = neuron.persistent_state and stock_kind(block) != "Recurrent"
    for present, what, remedy in (
        (
            block.count_log,
            "count_log=True, so its output is a pair",
            "set block.count_log = False (count_log=False)",
        ),
        (not neuron.shared_param, "decays of each channel's own", "train with shared_param=True"),
        (
            persists,
            "state that persists between samples",
            "set block.neuron.persistent_state = False (persistent_state=False)",
        ),
        (neuron.graded_spike, "graded spikes", "train with graded_spike=False"),
    ):
        if present:
            raise NetworkError(f"{where} has {what}, for which there is no counterpart: {remedy}")
    scale = neuron.w_scale
    if scale < 1 or scale & (scale - 1):
        raise NetworkError(
            f"{where}: its neuron's scale is {scale}; SLAYER's float arithmetic is exact only at powers of"
            " two: train with scale=64"
        )
    _check_threshold(neuron, where)
    decays = {}
    for name in ("current_decay", "voltage_decay"):
        decay = round(getattr(neuron, name).detach().item())
        if neuron.requires_grad:
            # What SLAYER does in its next pass.
            decay = min(max(decay, 0), DECAY_UNITY)
        if not 0 <= decay <= DECAY_UNITY:
            raise NetworkError(f"{where}: its {name} is {decay}/4096; expected 0 to 4096 (neuron.clamp())")
        decays[name] = decay / DECAY_UNITY
    return LIF(threshold=neuron.v_th_mant / scale, **decays), scale


def _check_threshold(neuron: nn.Module, where: str) -> None:
    mantissa = neuron.v_th_mant
    if mantissa < 1:
        raise NetworkError(
            f"{where}: its threshold is {neuron.threshold:g}, {mantissa} at scale {neuron.w_scale}; expected"
            f" at least {1 / neuron.w_scale:g}: train with a higher one"
        )
    fire = mantissa << STATE_SHIFT
    level = torch.tensor(neuron.threshold + neuron.threshold_eps, dtype=torch.float32).item() * neuron.s_scale
    if not fire < level <= fire + 1:
        raise NetworkError(
            f"{where}: its threshold of {neuron.threshold:g} ({mantissa} integer units) is so large that"
            " float32 rounds SLAYER's threshold_eps away: it fires at the threshold, where Loihi and Lava"
            " do not. Lower the threshold or the scale, or set block.neuron.threshold_eps = 0.5 /"
            " block.neuron.s_scale"
        )


@torch.no_grad()
def read_weight(
    block: nn.Module, where: str, synapse: nn.Module | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Real weights as the next forward pass would see them, and the mask; the block is not changed.

    Weight norm and torch's pruning are resolved. The quantiser must be the stock one, or masked by us, or
    there must be none.

    Parameters
    ----------
    block : nn.Module
        The stock block.
    where : str
        The block, for errors.
    synapse : nn.Module, optional
        By default ``block.synapse``.

    Returns
    -------
    weight : float32 Tensor of shape (post, pre, height, width, 1)
    mask : Tensor of shape (post, pre)

    Raises
    ------
    NetworkError
        The weights are made in a way that is not known.
    """
    synapse = block.synapse if synapse is None else synapse
    # torch keeps `weight` of a normalised or pruned layer as of its last pass: compute it again.
    weight = synapse.weight
    mask = torch.ones(weight.shape[:2], device=weight.device)
    normalized = False
    for hook in synapse._forward_pre_hooks.values():
        if isinstance(hook, WeightNorm) and hook.name == "weight":
            weight, normalized = hook.compute_weight(synapse), True
        elif isinstance(hook, BasePruningMethod) and hook._tensor_name == "weight":
            weight = hook.apply_mask(synapse)
            mask *= synapse.weight_mask.flatten(2).amax(2)
        else:
            raise NetworkError(
                f"{where}: its synapse has a forward pre-hook of type {type(hook).__name__}, which may change"
                " the weights; make it permanent and remove it"
            )
    if synapse is getattr(block, "recurrent_synapse", None) and not torch.equal(weight, synapse.weight):
        raise NetworkError(
            f"{where}: SLAYER does not compute weight_norm or pruning of a recurrent synapse again, so its"
            " weights are out of date: call block.recurrent_synapse.disable_weight_norm(), or make torch's"
            " pruning permanent"
        )
    quantizer = synapse.pre_hook_fx
    if isinstance(quantizer, (MaskedQuantizer, RecurrentQuantizer)):
        mask *= quantizer.alive(weight)
        quantizer = quantizer.quantize
    if quantizer is not None and not _is_stock_quantizer(quantizer, block.neuron):
        raise NetworkError(
            f"{where}: its pre_hook_fx is not its neuron's quantize_8bit, so its weights are not the 8 bits"
            " of Loihi; make the block without pre_hook_fx, or with pre_hook_fx=None and quantise it"
            " (dpap.quantize)"
        )
    own = getattr(block, "mask", None)
    if own is not None:
        if normalized:
            raise NetworkError(
                f"{where} has a mask= that SLAYER ignores under weight_norm; call"
                " block.synapse.disable_weight_norm(), or make the block without mask"
            )
        mask *= own.flatten(1)
    if weight.dtype != torch.float32:
        raise NetworkError(f"{where}: its weights are {weight.dtype}; expected float32 (network.float())")
    return (weight * mask[..., None, None, None]).detach().clone(), mask


def rounds_weights(block: nn.Module) -> bool:
    """Whether a stock block has a quantiser; without one it computes with real weights."""
    names = ("input_synapse", "recurrent_synapse") if stock_kind(block) == "Recurrent" else ("synapse",)
    quantizers = [getattr(block, name).pre_hook_fx for name in names]
    masked = (MaskedQuantizer, RecurrentQuantizer)
    return all((q.quantize if isinstance(q, masked) else q) is not None for q in quantizers)


def _is_stock_quantizer(quantizer: Callable[..., torch.Tensor], neuron: nn.Module) -> bool:
    function = getattr(quantizer, "__func__", None)
    return function is not None and function is type(neuron).quantize_8bit and quantizer.__self__ is neuron
