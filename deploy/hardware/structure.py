"""The schema of a chip's structure, and of the layout of synapses in its memory."""

from typing import Literal

from pydantic import model_validator

from deploy.hardware.quantity import Bits, Count, Description, Memory, Ratio, Time, wrong_value


class Loihi1Structure(Description):
    """Cores, tiles and the limits of a core of Loihi 1; each field is a quantity of the description."""

    kind: Literal["loihi1"]
    cores_per_chip: Count
    cores_per_tile: Count
    mesh_width: Count
    mesh_height: Count
    host_processors: Count
    neurons_per_core: Count
    input_axons_per_core: Count
    output_axons_per_core: Count
    synapse_words_per_core: Count
    weight_bits_min: Bits
    weight_bits_max: Bits
    delay_max: Count
    state_bits: Bits
    threshold_bits: Bits
    decay_bits: Bits

    @model_validator(mode="after")
    def _mesh_holds_all_tiles(self) -> "Loihi1Structure":
        sizes = (self.cores_per_chip, self.cores_per_tile, self.mesh_width, self.mesh_height)
        if all(size.known for size in sizes):
            _, tile, width, height = (size.whole for size in sizes)
            if self.tiles_per_chip > width * height:
                raise wrong_value(
                    "mesh_width.value",
                    f"room for {self.tiles_per_chip} tiles of {tile} cores in {width} x {height}",
                )
        return self

    @property
    def tiles_per_chip(self) -> int:
        """Tiles of a chip, the last perhaps not full."""
        return -(-self.cores_per_chip.whole // self.cores_per_tile.whole)


class Loihi2Structure(Description):
    """Cores and limits of Loihi 2, as far as they are published; each field is a quantity of the description.

    Its compiler's rules are not public, so that a network has a range of cores
    (:mod:`deploy.hardware.loihi2`). The fields from ``synapse_bytes`` on are assumptions of that range.

    Attributes
    ----------
    step_time_bound : Quantity
        A step of the whole chip takes at least some time below this.
    neuron_speedup, synapse_speedup, spike_speedup : Quantity
        How many times faster than Loihi 1 it updates a neuron, operates a synapse, and generates a spike.
    synapse_bytes : Quantity
        Least memory of one synapse.
    block_neurons : Quantity
        Most neurons that the compiler puts on a core for a block of an image.
    words_per_core, weights_per_word : Quantity
        What the compiler counts synapses in: words on a core, and weights of one list in a word.
    """

    kind: Literal["loihi2"]
    cores_per_chip: Count
    neurons_per_core: Count
    memory_per_core: Memory
    synapse_memory_per_core: Memory
    weight_bits: Bits
    graded_spike_bits: Bits
    step_time_bound: Time
    neuron_speedup: Ratio
    synapse_speedup: Ratio
    spike_speedup: Ratio
    input_axons_per_core: Count
    output_axons_per_core: Count
    synapse_bytes: Memory
    block_neurons: Count
    words_per_core: Count
    weights_per_word: Count


class OperationsStructure(Description):
    """A target that is described by what its operations cost alone: nothing is placed on it."""

    kind: Literal["operations"]


class SynapseFormat(Description):
    """Layout of a list of synapses in a core's memory (see :mod:`deploy.hardware.synapse_memory`)."""

    word_bits: Bits
    block_weights: Count
    block_header_bits: Bits
    weight_bits: Bits
    delay_bits: Bits
    tag_bits: Bits
    index_bits_min: Bits
    index_bits_max: Bits
    axon_base_range: Count
