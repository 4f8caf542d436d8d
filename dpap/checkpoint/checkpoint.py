"""Checkpoints: tensors and plain values only, so that loading one runs no code."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from dpap.checkpoint.blocks import MOST_LAYERS, Block, describe_blocks, make_blocks
from dpap.checkpoint.sealed_file import read_sealed, write_sealed
from dpap.checkpoint.values import decode, encode
from dpap.errors import InputError
from dpap.networks import Network, build
from dpap.networks.network import check_time_steps
from dpap.neurons import AnyNeuron
from dpap.quantization.weight_bits import check_weight_bits

FORMAT = "dpap-checkpoint"
SCHEMA = 3

_NETWORK = "network/"
"""What the names of the network's tensors begin with."""


class NetworkDescription(BaseModel):
    """The arguments from which :func:`dpap.networks.build` makes a network again."""

    model_config = ConfigDict(extra="forbid", strict=True)

    notation: str = Field(max_length=1 << 14)
    input_shape: list[Annotated[int, Field(ge=1, le=1 << 24)]] = Field(min_length=1, max_length=3)
    time_steps: int
    input_max: int = Field(ge=1)
    neuron: AnyNeuron
    bias: bool
    range_margin: float
    weight_bits: dict[str, int | None]
    blocks: list[Block] | None = Field(None, max_length=MOST_LAYERS)
    """Fields of a network that its notation does not describe."""


class Header(BaseModel):
    """The metadata of a file, besides its tensors."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal["dpap-checkpoint"]
    schema_: Literal[3] = Field(alias="schema")
    network: NetworkDescription
    pruner: JsonValue
    training: JsonValue


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The contents of a file.

    Attributes
    ----------
    network : Network
        With its weights and masks.
    pruner : dict or None
        State of its pruner, if there was one.
    training : dict or None
        State of its training, where it can be resumed.
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
        The folder cannot be written, or a layer is not one of :mod:`dpap.blocks`; of networks that
        :func:`dpap.from_slayer`, :func:`deploy.from_nir` and ``Network(layers=..., sources=...)`` make, every
        block is described by its own fields.
    """
    blocks = None
    if not network.described:
        try:
            blocks = describe_blocks(network.layers, network.sources)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
    tensors = {_NETWORK + name: tensor for name, tensor in network.state_dict().items()}
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
            "blocks": blocks,
        },
        "pruner": encode(pruner.state_dict() if pruner is not None else None, "pruner", tensors),
        "training": encode(training, "training", tensors),
    }
    write_sealed(path, content, tensors)


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
    plain, tensors = read_sealed(path, "checkpoint")
    if plain.get("format") != FORMAT or plain.get("schema") != SCHEMA:
        raise InputError(f"{path}: not a checkpoint of this program, or of another version")
    try:
        header = Header.model_validate(plain)
        network = _network(header.network, tensors)
        pruner = decode(header.pruner, "pruner", tensors)
        training = decode(header.training, "training", tensors)
        if tensors:
            raise InputError(f"the tensor {next(iter(tensors))} belongs to no layer and no state")
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"{path}: not a checkpoint of this program: {place}: {first['msg']}") from error
    except (InputError, RuntimeError) as error:
        raise InputError(f"{path}: {str(error).splitlines()[0]}") from error
    return Checkpoint(network, pruner, training)


def _network(described: NetworkDescription, tensors: dict[str, torch.Tensor]) -> Network:
    """The network, with its tensors, which are taken out of ``tensors``."""
    state = {
        name.removeprefix(_NETWORK): tensors.pop(name) for name in list(tensors) if name.startswith(_NETWORK)
    }
    # Without memory first: so large a network as its notation says is made only where its tensors are there.
    with torch.device("meta"):
        _check_state(state, _built(described).state_dict())
    network = _built(described)
    for name, bits in described.weight_bits.items():
        check_weight_bits(bits, f"weight_bits of {name}")
    blocks = network.synaptic_blocks()
    if set(described.weight_bits) != {block.name for block in blocks}:
        raise InputError(
            f"weight_bits are of {', '.join(described.weight_bits)}, not of the network's layers"
        )
    for block in blocks:
        block.weight_bits = described.weight_bits[block.name]
    network.load_state_dict(state)
    return network


def _built(described: NetworkDescription) -> Network:
    if described.blocks is not None:
        shape = tuple(described.input_shape)
        check_time_steps(described.time_steps)
        network = Network(
            described.notation,
            shape,
            described.time_steps,
            described.input_max,
            described.neuron,
            *make_blocks(described.blocks, shape, described.time_steps),
            bias=described.bias,
        )
        network.range_margin = described.range_margin
        return network
    return build(
        described.notation,
        tuple(described.input_shape),
        described.time_steps,
        input_max=described.input_max,
        neuron=described.neuron,
        bias=described.bias,
        range_margin=described.range_margin,
    )


def _check_state(state: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> None:
    for name in expected:
        if name not in state:
            raise InputError(f"lacks the network's {name}")
    for name, tensor in state.items():
        if name not in expected:
            raise InputError(f"has {name}, which the network has not")
        wanted = expected[name]
        if (tensor.shape, tensor.dtype) != (wanted.shape, wanted.dtype):
            raise InputError(
                f"{name} is {tensor.dtype} {tuple(tensor.shape)}; expected {wanted.dtype}"
                f" {tuple(wanted.shape)}, as the network is described"
            )
