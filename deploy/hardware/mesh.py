"""Positions of cores: tiles on the mesh of a chip, and the hops between them."""

import numpy as np

from deploy.hardware.structure import Loihi1Structure


def tile_position(core: np.ndarray, structure: Loihi1Structure) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Chip of each core, and the column and row of its tile on that chip's mesh.

    Cores fill tiles in order, and tiles fill the mesh column by column, as SANA-FE numbers them: with
    :math:`h` the mesh's height, tile :math:`i` of a chip is at :math:`x = \lfloor i / h \rfloor`, :math:`y
    = i \bmod h`.

    Parameters
    ----------
    core : integer array
        Numbers of cores, counted through all chips.

    Returns
    -------
    tuple of integer arrays
        Chip, x and y.
    """
    chip, on_chip = np.divmod(np.asarray(core), structure.cores_per_chip.whole)
    x, y = np.divmod(on_chip // structure.cores_per_tile.whole, structure.mesh_height.whole)
    return chip, x, y


def tiles_used(cores: int, structure: Loihi1Structure) -> int:
    """Tiles of the first ``cores`` cores, over all chips."""
    chips, rest = divmod(cores, structure.cores_per_chip.whole)
    return chips * structure.tiles_per_chip + -(-rest // structure.cores_per_tile.whole)
