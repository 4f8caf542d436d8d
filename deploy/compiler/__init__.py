"""Compilation of a trained network to its integer graph."""

from deploy.compiler.compilation import compile

__all__ = ["compile"]
