"""From a trained, pruned network to integers, to Lava, and to what it costs on hardware."""

from deploy.compile import compile
from deploy.errors import (
    BackendError,
    BackendUnavailable,
    CompileError,
    FormatError,
    HardwareError,
)
from deploy.formats.h5 import load
from deploy.graph import Graph
from deploy.hardware import Estimate, estimate
from deploy.measure import Measurement, measure
from deploy.recording import Recording
from deploy.run import run
from deploy.verify import Certificate, certify, verify

__all__ = [
    "BackendError",
    "BackendUnavailable",
    "Certificate",
    "CompileError",
    "Estimate",
    "FormatError",
    "Graph",
    "HardwareError",
    "Measurement",
    "Recording",
    "certify",
    "compile",
    "estimate",
    "load",
    "measure",
    "run",
    "verify",
]
