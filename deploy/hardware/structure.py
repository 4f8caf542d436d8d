"""What a chip is made of, and how synapses are laid out in its memory: the schema."""

from typing import Literal

from pydantic import model_validator

from deploy.hardware.quantity import Bits, Count, Description, wrong_value


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
