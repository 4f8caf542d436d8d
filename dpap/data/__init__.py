"""Data sets, as whole numbers that networks and hardware take alike."""

from dpap.data.digits import load_digits
from dpap.data.split import Split

__all__ = ["Split", "load_digits"]
