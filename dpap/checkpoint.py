"""Checkpoints: tensors and plain values only, so that loading one runs no code."""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dpap.errors import InputError
from dpap.files import write_atomically
from dpap.networks import Network, build
from dpap.neurons import read_neuron
from dpap.weight_bits import MARGIN, check_weight_bits

FORMAT = "dpap-checkpoint"
SCHEMA = 2


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a file holds.

    Attributes
    ----------
    network : Network
        With its weights and masks.
    pruner : dict or None
        State of its pruner, if there was one.
    training : dict or None
        State of its training, where that is to go on.
    """

    network: Network
    pruner: dict | None
    training: dict | None


def save_checkpoint(
    path: str | Path, network: Network, pruner: Any = None, training: Mapping[str, Any] | None = None
) -> None:
    """Write a network, and the states of its pruner and its training; the file appears whole or not at all.

    Parameters
    ----------
    path : path
    network : Network
    pruner : Pruner, optional
    training : mapping, optional
        Tensors and plain values.

    Raises
    ------
    InputError
        The folder cannot be written, or the network was converted from stock SLAYER or NIR: its notation
        does not say its blocks' scales, neurons, strides and padding.
    """
    converted = [block.name for block in network.synaptic_blocks() if block.scale is not None]
    if converted:
        raise InputError(
            f"{path}: {converted[0]} has a scale of its own (dpap.from_slayer), which a checkpoint cannot"
            " hold; save the stock network's state_dict and convert it again, or compile it"
        )
    if not network.described:
        raise InputError(
            f"{path}: the network was converted from stock SLAYER or NIR, and its notation does not say all"
            " of its blocks, so a checkpoint cannot hold it; convert it again, or compile it"
        )
    content = {
        "format": FORMAT,
        "schema": SCHEMA,
        "network": {
            "notation": network.notation,
            "input_shape": list(network.input_shape),
            "time_steps": network.time_steps,
            "input_max": network.input_max,
            "neuron": network.neuron.model_dump(),
            "bias": network.bias,
            "range_margin": network.range_margin,
            "weight_bits": {block.name: block.weight_bits for block in network.synaptic_blocks()},
        },
        "state_dict": network.state_dict(),
        "pruner": pruner.state_dict() if pruner is not None else None,
        "training": training,
    }
    write_atomically(path, lambda temporary: torch.save(content, temporary))


def load_checkpoint(path: str | Path) -> tuple[Network, dict | None]:
    """Read a network, and the state of its pruner if there was one; raises as :func:`read_checkpoint`."""
    checkpoint = read_checkpoint(path)
    return checkpoint.network, checkpoint.pruner


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read all that a file holds, on the CPU.

    Raises
    ------
    InputError
        The file is missing, damaged, or not a checkpoint of this program.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content["format"] != FORMAT or content["schema"] != SCHEMA:
            raise InputError(f"{path}: not a checkpoint of this program, or of another version")
        described = content["network"]
        network = build(
            described["notation"],
            tuple(described["input_shape"]),
            described["time_steps"],
            input_max=described["input_max"],
            neuron=read_neuron(described["neuron"]),
            bias=described["bias"],
            # Before ranges were observed, there was no margin.
            range_margin=described.get("range_margin", MARGIN),
        )
        # Before this was written, all weights had 8 bits.
        for name, bits in described.get("weight_bits", {}).items():
            check_weight_bits(bits, f"{path}: weight_bits of {name}")
            network.layers[name].weight_bits = bits
        network.load_state_dict(content["state_dict"])
        return Checkpoint(network, content["pruner"], content["training"])
    except InputError:
        raise
    except (
        pickle.UnpicklingError,
        RuntimeError,
        KeyError,
        TypeError,
        ValueError,
        EOFError,
        OSError,
    ) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: not a checkpoint of this program, or damaged ({reason})") from error
