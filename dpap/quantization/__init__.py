"""Real weights, thresholds and biases as the integers that hardware has."""
