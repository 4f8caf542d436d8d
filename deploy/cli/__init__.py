"""The command line, ``dpap``."""

from deploy.cli.main import main

__all__ = ["main"]
