"""Time that tiles take to end a step together, from a table by their number."""

from typing import Annotated

from pydantic import AfterValidator, Field

from deploy.errors import HardwareError
from deploy.hardware.quantity import Time


def _from_one_tile(table: dict[int, Time]) -> dict[int, Time]:
    if 1 not in table or min(table) < 1:
        raise ValueError("times by number of tiles, from 1 tile on")
    return table


SyncTable = Annotated[dict[int, Time], Field(min_length=1), AfterValidator(_from_one_tile)]
"""Times by number of tiles."""


def stepwise(table: SyncTable, tiles: int) -> float:
    """Time in seconds listed for the largest number of tiles that is not above ``tiles``.

    The rule of SANA-FE's own table (``LookupTable`` in its source): what is fitted at 4 tiles holds up to 28,
    and the last holds from there on.
    """
    return table[max(count for count in table if count <= tiles)].si


def interpolated(table: SyncTable, tiles: int) -> float:
    """Time in seconds, linear between the numbers of tiles that are listed.

    Raises
    ------
    HardwareError
        There are more tiles than the table knows; nothing is extrapolated.
    """
    if tiles > max(table):
        raise HardwareError(
            f"the time of a barrier over {tiles} tiles is unknown; it is for 1 to {max(table)}"
        )
    below = max(count for count in table if count <= tiles)
    above = min(count for count in table if count >= tiles)
    if below == above:
        return table[below].si
    share = (tiles - below) / (above - below)
    return (1 - share) * table[below].si + share * table[above].si
