"""Limits that networks, encoders, configurations and compiled graphs share."""

MOST_STEPS = 1 << 16
"""Steps of an inference at most."""

MOST_INPUT = (1 << 16) - 1
"""Largest integer input at most: graded spikes of 16 bits."""
