"""Processes of our own that Lava runs.

Nothing else belongs into this package: when Lava looks for the models of a process it executes every module
in the package of that process.
"""
