"""The cost model in use: measured on this machine, or else on another."""

import warnings
from pathlib import Path

from pydantic import ValidationError

from deploy.simulator.costs import EventCosts, KernelCosts, LaneCosts, SumCosts
from dpap.errors import InputError
from dpap.files.writing import cannot_write, read_limited, write_text
from dpap.runtime.kernel_cache import user_cache

DEFAULT_COSTS = KernelCosts(
    source="deploy.simulator.calibrate() on one core of an AMD EPYC (family 25, model 17, AVX-512) at 2.6 GHz"
    " that other processes shared, processor time alone, numba 0.68",
    small=SumCosts(
        dense=LaneCosts(product=0.0322, row=0, update=0.666),
        sparse=LaneCosts(product=0.0426, row=0, update=0.412),
        event=EventCosts(scan=0.416, arrival=3.68, row=11.5, product=0.0328, update=0.352),
    ),
    wide=SumCosts(
        dense=LaneCosts(product=0.0664, row=0, update=0),
        sparse=LaneCosts(product=0.0516, row=0, update=0.393),
        event=EventCosts(scan=0.439, arrival=2.91, row=12.3, product=0.0298, update=0.371),
    ),
)
"""Used where this machine was not measured. Ratios between kernels matter, which differ less than speeds."""

MAX_BYTES = 1 << 20


def costs_path() -> Path:
    """``dpap/kernel-costs.json`` in the user's cache folder."""
    return user_cache() / "dpap" / "kernel-costs.json"


def save_costs(costs: KernelCosts, path: Path | None = None) -> Path:
    """Keep a model for later runs of this user.

    Raises
    ------
    InputError
        The folder cannot be written.
    """
    path = path or costs_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    write_text(path, costs.model_dump_json(indent=2) + "\n")
    return path


def load_costs(path: Path | None = None) -> KernelCosts:
    """The model that was kept, or :data:`DEFAULT_COSTS`; a file that is damaged warns and is not used."""
    path = path or costs_path()
    try:
        return KernelCosts.model_validate_json(read_limited(path, MAX_BYTES))
    except FileNotFoundError:
        return DEFAULT_COSTS
    except (OSError, InputError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        warnings.warn(
            f"{path}: not a cost model of kernels ({reason}); the default is used. Remove the file, or"
            " measure again with deploy.simulator.calibrate()",
            stacklevel=2,
        )
        return DEFAULT_COSTS
