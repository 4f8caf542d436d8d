"""Which board Lava runs on."""

from lava.utils import loihi

SLURM = "slurm"


def choose_board(host: str | None, partition: str | None, generation: str) -> None:
    """Set the board that Lava uses; with ``host`` None the environment has set it already.

    Parameters
    ----------
    host : str or None
        ``slurm``, or the address of a board's host.
    partition : str or None
        Of slurm.
    generation : str
        Name of the chip's generation.

    Raises
    ------
    KeyError
        There is no such generation.
    ImportError, ValueError
        Lava's: the extension is missing, or the host does not answer.
    """
    chip = loihi.ChipGeneration[generation]
    if host == SLURM:
        loihi.use_slurm_host(partition=partition, loihi_gen=chip)
    elif host is not None:
        loihi.use_ethernet_host(host, loihi_gen=chip)
