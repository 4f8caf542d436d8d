"""Launches of the kernels of :mod:`dpap.neurons.triton_kernels` on tensors.

All tensors are float32, contiguous, and on one CUDA device.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
import triton

from dpap.errors import NetworkError
from dpap.neurons.triton_kernels import backward_kernel, forward_kernel, pool_forward_kernel

if TYPE_CHECKING:
    from dpap.neurons.function import Population

BLOCK = 256
"""Neurons a program."""

LARGEST_WINDOW = 32
"""Side of the largest window that is summed while the spikes are made: its spikes stay in registers."""

INDEX_LIMIT = 1 << 31
"""Neurons of a step are counted in 32 bits."""


def lif_forward(
    current: torch.Tensor,
    bias: torch.Tensor | None,
    population: "Population",
    *,
    spikes: torch.Tensor | None = None,
    voltage: torch.Tensor | None = None,
) -> None:
    """Run the neurons, into ``spikes`` and ``voltage`` where they are given.

    Parameters
    ----------
    current : Tensor of shape (T or 1, N, C, ...)
        Synaptic sums; a single step is the same at every step.
    bias : Tensor of shape (C,), optional
        Whole numbers, added to the voltage at every step.
    population : Population
    spikes, voltage : Tensors of shape (T, N, C, ...), optional
        Spikes, and voltages before the reset in any dtype.

    Raises
    ------
    NetworkError
        A step has 2**31 neurons or more.
    """
    neurons, channels, positions = _layout(current)
    if neurons == 0 or population.time_steps == 0:
        return
    with torch.cuda.device_of(current):
        forward_kernel[(triton.cdiv(neurons, BLOCK),)](
            current,
            bias,
            spikes,
            voltage,
            neurons,
            channels,
            positions,
            population.time_steps,
            _advance(current, neurons),
            *population.keeps,
            population.fire,
            BLOCK=BLOCK,
        )


def lif_pool_forward(
    current: torch.Tensor, bias: torch.Tensor | None, population: "Population", window: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Spikes summed over windows, and over whole planes, without storing the spikes.

    Parameters
    ----------
    current : Tensor of shape (T or 1, N, C, H, W)
    bias, population
        As in :func:`lif_forward`.
    window : int
        At most :data:`LARGEST_WINDOW`.

    Returns
    -------
    pooled : Tensor of shape (T, N, C, H // window, W // window)
    counts : Tensor of shape (T, N, C)
        What does not fill a window counts here alone.
    """
    neurons, channels, _ = _layout(current)
    samples, height, width = current.shape[1], *current.shape[3:]
    planes, steps = samples * channels, population.time_steps
    rows, columns = height // window, width // window
    down, across = triton.cdiv(height, window), triton.cdiv(width, window)
    spots = triton.next_power_of_2(window**2)
    windows = min(triton.next_power_of_2(max(1, down * across)), max(1, 4 * BLOCK // spots))
    parts = triton.cdiv(down * across, windows)
    pooled = current.new_empty(steps, samples, channels, rows, columns)
    counts = current.new_empty(steps, samples, channels, parts)
    if neurons > 0 and steps > 0:
        with torch.cuda.device_of(current):
            pool_forward_kernel[(planes, parts)](
                current,
                bias,
                pooled,
                counts,
                height,
                width,
                rows,
                columns,
                across,
                planes,
                channels,
                steps,
                _advance(current, neurons),
                *population.keeps,
                population.fire,
                WINDOW=window,
                WINDOWS=windows,
                SPOTS=spots,
                # Two spots a thread, as in the other kernels, in one to eight warps.
                num_warps=min(8, max(1, windows * spots // 64)),
            )
    return pooled, counts.sum(3)


def lif_backward(
    grad_outputs: torch.Tensor,
    current: torch.Tensor,
    bias: torch.Tensor | None,
    population: "Population",
    window: int = 1,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Gradients with respect to current and bias.

    Parameters
    ----------
    grad_outputs : Tensor like ``lif_forward``'s spikes, or ``lif_pool_forward``'s pooled spikes
    current, bias, population
        As in :func:`lif_forward`.
    window : int
        Side of the pool's window; 1 without a pool.

    Returns
    -------
    grad_current : Tensor like ``current``
    grad_bias : Tensor like ``bias``, or None
        The sum of the voltages' gradients over time, samples and positions.
    """
    neurons, channels, positions = _layout(current)
    steps = population.time_steps
    grad_current = torch.zeros_like(current)
    grad_bias = None if bias is None else torch.zeros_like(current[0])
    if neurons > 0 and steps > 0:
        voltage = current.new_empty((steps, *current.shape[1:]), dtype=torch.int32)
        lif_forward(current, bias, population, voltage=voltage)
        height, width = current.shape[3:] if window > 1 else (1, 1)
        keep_u, keep_v, level, spread, unit, gain = population.real_constants
        real = (keep_u, keep_v), (level, spread, np.float32(1) / spread, unit, gain)
        keeps, others = ([float(value) for value in values] for values in real)
        with torch.cuda.device_of(current):
            backward_kernel[(triton.cdiv(neurons, BLOCK),)](
                grad_outputs[-1],
                voltage[-1],
                grad_current[-1],
                grad_bias,
                neurons,
                height,
                width,
                steps,
                grad_outputs[0].numel(),
                *keeps,
                population.fire,
                *others,
                CONSTANT=len(current) == 1,
                KIND=population.surrogate,
                WINDOW=window,
                BLOCK=BLOCK,
                enable_fp_fusion=False,
            )
    if grad_bias is not None:
        grad_bias = grad_bias.reshape(-1, channels, positions).sum((0, 2))
    return grad_current, grad_bias


def _layout(current: torch.Tensor) -> tuple[int, int, int]:
    """Neurons of a step, their channels, and positions of a channel."""
    step = current.shape[1:]
    neurons = step.numel()
    if neurons >= INDEX_LIMIT:
        raise NetworkError(
            f"{neurons} neurons in a batch of shape {tuple(step)}; at most {INDEX_LIMIT - 1} on CUDA: take a"
            " smaller batch"
        )
    return neurons, step[1] if len(step) > 1 else 1, step[2:].numel()


def _advance(current: torch.Tensor, neurons: int) -> int:
    return 0 if len(current) == 1 else neurons
