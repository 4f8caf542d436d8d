"""Quantisation of a trained network, with the scale of each layer chosen by calibration samples."""

import copy
from collections.abc import Mapping

import torch

from dpap.data.split import Split
from dpap.errors import InputError, NetworkError
from dpap.networks import Network
from dpap.post_training.calibration import Calibrator, Candidate, candidates
from dpap.post_training.result import LayerQuantization, Quantization
from dpap.post_training.scale_calibration import calibrate, check_samples, input_batches, widen_ranges
from dpap.quantization.levels import warn_of_lost_levels
from dpap.quantization.weight_bits import MOST_BITS, check_weight_bits


@torch.no_grad()
def quantize(
    network: Network,
    calibration: Split | torch.Tensor,
    *,
    weight_bits: int | Mapping[str, int] = MOST_BITS,
    evaluation: Split | None = None,
) -> Quantization:
    """Round the weights of a trained network to 1 to 8 bits.

    The original is the network with the same real weights, none of them rounded (``weight_bits=None``),
    whatever it trained with: a network that was built so, one of stock SLAYER blocks that were made with
    ``pre_hook_fx=None`` (:func:`dpap.from_slayer`), one that was read from NIR (``deploy.from_nir``), or one
    with 8 bits that is to have fewer. Each layer's weights are clipped to the range that changes least of
    what drives its neurons (:mod:`dpap.post_training.calibration`); the scale follows from the range, and
    from the currents that the samples cause where no proof bounds them (:func:`dpap.calibrate`).

    Parameters
    ----------
    network : Network
        It is not changed.
    calibration : Split, or Tensor of inputs as ``network`` takes them
        Some hundred samples of training; labels are not used.
    weight_bits : int, or dict of int by layer
        1 to 8. Layers that a dict does not name have 8.
    evaluation : Split, optional
        Samples to measure the accuracy on, before and after.

    Returns
    -------
    Quantization
        The network, errors by layer, and accuracies.

    Raises
    ------
    InputError
        It is no :class:`dpap.networks.Network`, or there is no calibration sample.
    NetworkError
        A layer is not known, or its threshold, biases or weights do not fit into integers; it is named.
    """
    if not isinstance(network, Network):
        raise InputError(f"this is a {type(network).__name__}; expected a dpap Network (dpap.networks.build)")
    check_samples(calibration)
    bits = _bits_by_layer(network, weight_bits)
    original = calibrate(_original(network), calibration)
    quantized = _original(original)
    calibrators = {}
    for block in quantized.synaptic_blocks():
        block.weight_bits = bits[block.name]
        calibrators[block.name] = Calibrator(original.layers[block.name], candidates(block))
    _calibrate(original, calibrators, calibration)
    chosen = {name: calibrator.best() for name, calibrator in calibrators.items()}
    for name, (candidate, _) in chosen.items():
        _clip(quantized.layers[name], candidate)
    # Rounded weights can cause larger currents than those that the range is of.
    widen_ranges(quantized, calibration)
    integers = {block.name: block.integer_parameters() for block in quantized.synaptic_blocks()}
    changed = _activity_errors(original, quantized, calibration)
    layers = {
        name: LayerQuantization(
            weight_bits=bits[name],
            weight_range=candidate.reach,
            largest_weight=calibrators[name].found[0].reach,
            scale=integers[name].scale,
            threshold=integers[name].threshold,
            sum_error=error,
            activity_error=changed[name],
        )
        for name, (candidate, error) in chosen.items()
    }
    warn_of_lost_levels(quantized)
    accuracies = () if evaluation is None else _accuracies(original, quantized, evaluation)
    return Quantization(quantized, layers, len(calibration), *accuracies)


def _bits_by_layer(network: Network, weight_bits: int | Mapping[str, int]) -> dict[str, int]:
    names = [block.name for block in network.synaptic_blocks()]
    given = weight_bits if isinstance(weight_bits, Mapping) else dict.fromkeys(names, weight_bits)
    for name, bits in given.items():
        if name not in names:
            raise NetworkError(f"weight_bits names {name!r}; the layers with weights are {', '.join(names)}")
        if bits is None:
            raise NetworkError(f"weight_bits of {name} is None; expected a whole number from 1 to 8")
        check_weight_bits(bits, f"weight_bits of {name}")
    return {name: given.get(name, MOST_BITS) for name in names}


def _original(network: Network) -> Network:
    """A copy in evaluation mode, no weights rounded, without what observes the network's training."""
    unseen = {id(block.observers): [] for block in network.synaptic_blocks()}
    made = copy.deepcopy(network, unseen).eval()
    for block in made.synaptic_blocks():
        block.scale, block.weight_bits, block.observers = None, None, []
    return made


def _clip(block, candidate: Candidate) -> None:
    """Clip real weights such that, normalisation folded in, they are the candidate's."""
    weight, _ = block.real_parameters()
    beyond = weight != candidate.weight
    block.weight.data[beyond] *= (candidate.weight / weight)[beyond]


def _calibrate(original: Network, calibrators: dict[str, Calibrator], samples) -> None:
    hooks = [
        original.layers[name].register_forward_hook(
            lambda block, inputs, outputs: calibrators[block.name].see(inputs[0], outputs)
        )
        for name in calibrators
    ]
    try:
        for inputs in input_batches(original, samples):
            # Of each layer alone: `forward` would sum the pools that follow along with the spikes.
            original.record(inputs)
    finally:
        for hook in hooks:
            hook.remove()


def _activity_errors(original: Network, quantized: Network, samples) -> dict[str, float]:
    names = [block.name for block in original.synaptic_blocks()]
    changes, totals = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    for inputs in input_batches(original, samples):
        before, after = _activity(original, inputs), _activity(quantized, inputs)
        for name in names:
            changes[name] += (after[name] - before[name]).square().sum(dtype=torch.float64).item()
            totals[name] += before[name].square().sum(dtype=torch.float64).item()
    return {name: (changes[name] / totals[name]) ** 0.5 if totals[name] else 0.0 for name in names}


def _activity(network: Network, inputs: torch.Tensor) -> dict[str, torch.Tensor]:
    """The activity of each layer, in real units; that of ReLU units differ between the networks."""
    return {
        name: activity / network.layers[name].output_divisor
        for name, activity in network.record(inputs).items()
        if hasattr(network.layers[name], "output_divisor")
    }


def _accuracies(original: Network, quantized: Network, evaluation: Split) -> tuple[int, float, float]:
    # Imported here: training is not needed to quantise.
    from dpap.training.epoch import accuracy

    return len(evaluation), accuracy(original, evaluation), accuracy(quantized, evaluation)
