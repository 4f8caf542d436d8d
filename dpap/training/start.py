"""The start of a run: its data, and its network before training."""

import numpy as np
import torch

from dpap.data import Split, load
from dpap.errors import InputError
from dpap.networks import Network, build
from dpap.training.run_config import RunConfig


def load_splits(config: RunConfig) -> dict[str, Split]:
    """The parts of the data set that a run needs, by name.

    Raises
    ------
    DataError
        A file of it is missing or damaged, or an argument does not fit it.
    """
    data = config.data
    wanted = {"train": True, "test": data.test, "validation": data.validation > 0}
    parts = [part for part, is_wanted in wanted.items() if is_wanted]
    splits = load(
        data.name,
        *parts,
        time_steps=data.time_steps,
        encoder=data.encoder,
        validation=data.validation,
        augmentation=data.augmentation,
        seed=config.training.seed,
        download=data.download,
        subset=data.subset,
    )
    first = {part: first_samples(split, data.samples) for part, split in zip(parts, splits, strict=True)}
    return {part: split.in_memory() if data.in_memory else split for part, split in first.items()}


def first_samples(split: Split, count: int | None) -> Split:
    """The first so many samples; all where ``count`` is None."""
    return split if count is None else split.part(np.arange(min(count, len(split))))


def build_network(config: RunConfig, split: Split) -> Network:
    """The network before it learns; its weights follow from the training's seed.

    Raises
    ------
    InputError
        It has fewer outputs than there are classes.
    NetworkError
        Its notation does not fit the samples.
    """
    described = config.network
    with torch.random.fork_rng([]):
        torch.manual_seed(config.training.seed)
        network = build(
            described.notation,
            split.input_shape,
            config.data.time_steps,
            input_max=split.input_max,
            neuron=described.neuron,
            bias=described.bias,
            weight_bits=described.weight_bits,
            range_margin=described.range_margin,
        )
    classes = network.synaptic_blocks()[-1].output_shape[0]
    needed = int(split.labels.max()) + 1
    if classes < needed:
        raise InputError(
            f"network.notation {described.notation!r} ends with {classes} neurons; {config.data.name} has"
            f" {needed} classes"
        )
    return network
