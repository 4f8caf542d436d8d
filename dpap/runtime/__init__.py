"""Settings of the process: threads, memory, kernels that are kept, ranks, imports of Lava."""
