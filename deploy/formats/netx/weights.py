r"""Weights of dense blocks that netx and Lava change when they read them.

netx shifts a block's weights, the recurrent ones among them, to the left by the largest

.. math::
    n = \lfloor \log_2 \min(127 / w_{max}, -128 / w_{min}) \rfloor + 1

that 8 bits hold (``lava.lib.dl.netx.utils.optimize_weight_bits``; where all are negative,
:math:`\lfloor \log_2(-256 / w_{min}) \rfloor`), so the least may become -256. Lava's ``Dense`` then looks at
each matrix by itself: one without positive weights has 8 bits of magnitude, -255 to 0
(``lava.utils.weightutils.clip_weights``), so -256 is clipped and other weights run. That is where the least
weight is a negative power of two and decides n. Lava's ``Conv`` clips nothing.
"""

import math

import numpy as np

from deploy.errors import ExportError

LEAST = -256
"""What Lava clips in a matrix without positive weights."""


def check_weights(name: str, matrices: dict[str, np.ndarray]) -> None:
    """Prove that Lava runs the weights of a dense block as they are.

    Parameters
    ----------
    name : str
        Of the layer.
    matrices : dict of str to int array
        ``weight``, and ``weight_rec`` where there is one; not all zeros.

    Raises
    ------
    ExportError
        It would run others; the layer, the least weight and what to do are named.
    """
    shift = _shift(
        min(int(matrix.min()) for matrix in matrices.values()),
        max(int(matrix.max()) for matrix in matrices.values()),
    )
    for key, matrix in matrices.items():
        least = int(matrix.min())
        if least < 0 and matrix.max() <= 0 and least << shift <= LEAST:
            kind = "recurrent weights" if key == "weight_rec" else "weights"
            raise ExportError(
                f"{name}: none of its {kind} is positive and the least is {least}, which netx shifts to"
                f" {LEAST} and Lava clips to {LEAST + 1}; use NIR (.nir), or run the graph itself on Lava:"
                " deploy.run(graph, inputs, backend='lava')"
            )


def _shift(lowest: int, highest: int) -> int:
    """Bits by which netx shifts a block's weights; 0 where none is negative, so that none is clipped."""
    if lowest >= 0:
        return 0
    if highest < 0:
        return math.floor(math.log2(LEAST / lowest))
    positive = 127 / highest if highest else math.inf
    return math.floor(math.log2(min(positive, LEAST / 2 / lowest))) + 1
