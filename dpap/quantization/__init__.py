"""Quantisation of weights, thresholds and biases to the integers of hardware."""
