"""The old name of :mod:`deploy.ir`, for programs that import it."""

from deploy.ir import *  # noqa: F403
from deploy.ir import __all__ as __all__
from deploy.ir import __getattr__ as __getattr__
