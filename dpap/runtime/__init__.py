"""What the process is told: threads, memory, kernels that are kept, ranks, imports of Lava."""
