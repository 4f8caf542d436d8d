"""The Neuromorphic Intermediate Representation (NIR), both ways."""

from deploy.formats.nir.network import from_nir
from deploy.formats.nir.writer import save

__all__ = ["from_nir", "save"]
