"""The neuron of :mod:`dpap.neurons.reference` as compiled kernels that keep memory traffic low.

Arrays are time-major. A chunk of neurons keeps its states in a small buffer through all steps, so that only
inputs and outputs travel through memory; the inner loops run over neighbouring neurons in 32-bit integers
and vectorise. A current of a single step, ``(1, M)``, is the same at every step. The backward pass does not
read stored voltages: it computes them again, chunk by chunk, which is cheaper than moving them.

With a pool the chunk is a plane (one channel of one sample); its spikes are summed over windows at once and
never stored one by one.
"""

import numba
import numpy as np

from dpap.neurons.parameters import DECAY_UNITY, STATE_LIMIT, VOLTAGE_LIMIT
from dpap.neurons.surrogate import derivative

UNITY = float(DECAY_UNITY)
"""What a keep of 1 is."""

CHUNK = 1024
"""Neurons a chunk: its states through a few steps stay in the first-level cache."""

_HIGHEST = np.int32(STATE_LIMIT)
_PERIOD = np.int32(2 * STATE_LIMIT)
_CLIP = np.int32(VOLTAGE_LIMIT)


@numba.njit(inline="always")
def decayed(state, fraction):
    """``rtz(state * keep / 4096)`` of a 32-bit state, for ``fraction = keep / 4096`` in 64-bit floats.

    Exact: a fraction of 12 bits times a state of 31 takes 43 of the 53 bits of a float, and the conversion to
    an integer truncates toward zero. It vectorises better than the integer product, which leaves 32 bits.
    """
    return np.int32(np.float64(state) * fraction)


@numba.njit(inline="always")
def wrapped(current):
    """A 32-bit current as Lava wraps it into 24 bits: by 2**24, once."""
    above = _PERIOD if current > _HIGHEST else np.int32(0)
    below = _PERIOD if current <= -_HIGHEST else np.int32(0)
    return np.int32(current - above + below)


@numba.njit(inline="always")
def clipped(voltage):
    """A 32-bit voltage as Lava clips it to 24 bits."""
    return min(max(voltage, -_CLIP), _CLIP)


@numba.njit(inline="always")
def _drive(bias, start, stop):
    """What the bias adds to each voltage of a chunk in a step; ``bias`` repeats with every sample."""
    drive = np.zeros(stop - start, np.int32)
    if len(bias) > 0:
        for i in range(stop - start):
            drive[i] = bias[(start + i) % len(bias)]
    return drive


@numba.njit(inline="always")
def _integrate(inputs, drive, u, v, keep_u, keep_v):
    """Advance currents ``u`` and voltages ``v`` by one step, in place, without the reset.

    ``keep_u`` and ``keep_v`` are the fractions that states keep.
    """
    for i in range(len(inputs)):
        u[i] = wrapped(np.int32(decayed(u[i], keep_u) + np.int32(np.int32(inputs[i]) << 6)))
        v[i] = clipped(np.int32(decayed(v[i], keep_v) + u[i] + drive[i]))


@numba.njit(parallel=True, cache=True)
def lif_forward(current, bias, current_keep, voltage_keep, threshold, spikes, voltage):
    """Spikes into ``spikes``, float32 (T, M), and voltages before the reset into ``voltage``.

    ``current`` is float32 (T, M) or (1, M), ``threshold`` in state units (mantissa times 64). ``bias`` is
    int32 of the neurons of one sample, in state units, or empty. A ``voltage`` of no steps, (0, M), is not
    written.
    """
    steps, neurons = spikes.shape
    constant = current.shape[0] == 1
    recorded = voltage.shape[0] == steps
    keep_u, keep_v, fire = current_keep / UNITY, voltage_keep / UNITY, np.int32(threshold)
    for chunk in numba.prange((neurons + CHUNK - 1) // CHUNK):
        start = chunk * CHUNK
        stop = min(start + CHUNK, neurons)
        drive = _drive(bias, start, stop)
        u = np.zeros(stop - start, np.int32)
        v = np.zeros(stop - start, np.int32)
        for t in range(steps):
            _integrate(current[0 if constant else t, start:stop], drive, u, v, keep_u, keep_v)
            if recorded:
                voltage[t, start:stop] = v
            fired = spikes[t, start:stop]
            for i in range(stop - start):
                spike = v[i] > fire
                fired[i] = np.float32(1.0) if spike else np.float32(0.0)
                v[i] = np.int32(0) if spike else v[i]


@numba.njit(inline="always")
def _sum_windows(values, width, window, outputs):
    """Sums over windows of the planes in ``values`` into ``outputs``, (planes, rows, columns)."""
    planes, rows, columns = outputs.shape
    size = len(values) // planes
    for plane in range(planes):
        for y in range(rows):
            start = plane * size + y * window * width
            if window == 2:
                # By far the most used; with the loops below unrolled it vectorises.
                for x in range(columns):
                    place = start + 2 * x
                    pair = values[place] + values[place + 1]
                    outputs[plane, y, x] = pair + values[place + width] + values[place + width + 1]
            else:
                for x in range(columns):
                    summed = np.float32(0.0)
                    for dy in range(window):
                        for dx in range(window):
                            summed += values[start + dy * width + x * window + dx]
                    outputs[plane, y, x] = summed


@numba.njit(parallel=True, cache=True)
def lif_pool_forward(current, bias, current_keep, voltage_keep, threshold, window, pooled, counts):
    """Spikes summed over windows into ``pooled``, and over whole planes into ``counts``.

    Shapes, all float32: ``current`` (T or 1, P, H, W) for P planes, ``pooled``
    (T, P, H // window, W // window), ``counts`` (T, P). What does not fill a window counts in ``counts``
    alone.
    """
    steps, planes = counts.shape
    width = current.shape[3]
    size = current.shape[2] * width
    constant = current.shape[0] == 1
    flat = current.reshape(current.shape[0], planes * size)
    keep_u, keep_v, fire = current_keep / UNITY, voltage_keep / UNITY, np.int32(threshold)
    group = max(1, CHUNK // size)
    for chunk in numba.prange((planes + group - 1) // group):
        first = chunk * group
        last = min(first + group, planes)
        neurons = (last - first) * size
        drive = _drive(bias, first * size, last * size)
        u = np.zeros(neurons, np.int32)
        v = np.zeros(neurons, np.int32)
        fired = np.zeros(neurons, np.float32)
        for t in range(steps):
            inputs = flat[0 if constant else t, first * size : last * size]
            _integrate(inputs, drive, u, v, keep_u, keep_v)
            for i in range(neurons):
                spike = v[i] > fire
                fired[i] = np.float32(1.0) if spike else np.float32(0.0)
                v[i] = np.int32(0) if spike else v[i]
            for plane in range(first, last):
                counts[t, plane] = fired[(plane - first) * size : (plane - first + 1) * size].sum()
            _sum_windows(fired, width, window, pooled[t, first:last])


@numba.njit(inline="always")
def _voltages(current, bias, start, stop, constant, keep_u, keep_v, fire, voltage):
    """Voltages before the reset of a chunk through all steps, once more."""
    drive = _drive(bias, start, stop)
    u = np.zeros(stop - start, np.int32)
    v = np.zeros(stop - start, np.int32)
    for t in range(len(voltage)):
        _integrate(current[0 if constant else t, start:stop], drive, u, v, keep_u, keep_v)
        for i in range(stop - start):
            voltage[t, i] = v[i]
            v[i] = np.int32(0) if v[i] > fire else v[i]


@numba.njit(inline="always")
def _slopes(voltage, constants, kind, slope):
    """Surrogate derivative at every voltage."""
    _, _, level, spread, unit, _ = constants
    # A loop for each kind: with the kind known it vectorises, which one loop over all kinds does not.
    # Nor does one whose divisions check for zero, hence the callers' error model. A width is above zero.
    if kind == 0:
        half, height = np.float32(0.5) * spread, np.float32(1.0) / spread
        for i in range(len(voltage)):
            distance = abs(np.float32(voltage[i]) * unit - level)
            slope[i] = height if distance < half else np.float32(0.0)
    elif kind == 1:
        for i in range(len(voltage)):
            slope[i] = np.float32(derivative(np.float32(voltage[i]) * unit - level, spread, 1))
    elif kind == 2:
        for i in range(len(voltage)):
            slope[i] = np.float32(derivative(np.float32(voltage[i]) * unit - level, spread, 2))
    else:
        for i in range(len(voltage)):
            slope[i] = np.float32(derivative(np.float32(voltage[i]) * unit - level, spread, 3))


@numba.njit(inline="always")
def _reverse(incoming, voltage, slope, grad_u, grad_v, outgoing, add, fire, constants):
    """Carry gradients one step back in time; ``outgoing`` is set, or added to where ``add``."""
    keep_u, keep_v, _, _, unit, gain = constants
    for i in range(len(incoming)):
        carried = keep_v * grad_v[i]
        reset = carried * (np.float32(voltage[i]) * unit)
        passed = np.float32(0.0) if voltage[i] > fire else carried
        grad_v[i] = (incoming[i] - reset) * slope[i] + passed
        grad_u[i] = grad_v[i] + keep_u * grad_u[i]
    if add:
        for i in range(len(incoming)):
            outgoing[i] += grad_u[i] * gain
    else:
        for i in range(len(incoming)):
            outgoing[i] = grad_u[i] * gain


@numba.njit(parallel=True, cache=True, error_model="numpy")
def lif_backward(grad_spikes, current, bias, keeps, threshold, constants, kind, grad_current):
    """Gradient with respect to ``current`` into ``grad_current``, of its shape.

    ``grad_spikes`` is float32 (T, M); ``keeps`` the two integer keeps; ``constants`` the float32 values
    (current keep, voltage keep, threshold, width, unit of a voltage, gain) in real units. The equations
    are those of :func:`dpap.neurons.reference.backward`.
    """
    steps, neurons = grad_spikes.shape
    constant = current.shape[0] == 1
    keep_u, keep_v, fire = keeps[0] / UNITY, keeps[1] / UNITY, np.int32(threshold)
    for chunk in numba.prange((neurons + CHUNK - 1) // CHUNK):
        start = chunk * CHUNK
        stop = min(start + CHUNK, neurons)
        voltage = np.empty((steps, stop - start), np.int32)
        _voltages(current, bias, start, stop, constant, keep_u, keep_v, fire, voltage)
        grad_u = np.zeros(stop - start, np.float32)
        grad_v = np.zeros(stop - start, np.float32)
        slope = np.empty(stop - start, np.float32)
        for step in range(steps):
            t = steps - 1 - step
            _slopes(voltage[t], constants, kind, slope)
            outgoing = grad_current[0 if constant else t, start:stop]
            incoming = grad_spikes[t, start:stop]
            add = constant and step > 0
            _reverse(incoming, voltage[t], slope, grad_u, grad_v, outgoing, add, fire, constants)


@numba.njit(parallel=True, cache=True, error_model="numpy")
def lif_pool_backward(grad_pooled, current, bias, keeps, threshold, window, constants, kind, grad_current):
    """The same for :func:`lif_pool_forward`: ``grad_pooled`` (T, P, h, w), the others (T or 1, P, H, W)."""
    steps, planes, rows, columns = grad_pooled.shape
    width = current.shape[3]
    size = current.shape[2] * width
    constant = current.shape[0] == 1
    flat_current = current.reshape(current.shape[0], planes * size)
    flat_grad = grad_current.reshape(current.shape[0], planes * size)
    keep_u, keep_v, fire = keeps[0] / UNITY, keeps[1] / UNITY, np.int32(threshold)
    group = max(1, CHUNK // size)
    for chunk in numba.prange((planes + group - 1) // group):
        first = chunk * group
        last = min(first + group, planes)
        start, stop = first * size, last * size
        voltage = np.empty((steps, stop - start), np.int32)
        _voltages(flat_current, bias, start, stop, constant, keep_u, keep_v, fire, voltage)
        grad_u = np.zeros(stop - start, np.float32)
        grad_v = np.zeros(stop - start, np.float32)
        slope = np.empty(stop - start, np.float32)
        incoming = np.zeros(stop - start, np.float32)
        for step in range(steps):
            t = steps - 1 - step
            for plane in range(first, last):
                for y in range(rows):
                    place = (plane - first) * size + y * window * width
                    for x in range(columns):
                        for dx in range(window):
                            incoming[place + x * window + dx] = grad_pooled[t, plane, y, x]
                    for dy in range(1, window):
                        for x in range(columns * window):
                            incoming[place + dy * width + x] = incoming[place + x]
            _slopes(voltage[t], constants, kind, slope)
            outgoing = flat_grad[0 if constant else t, start:stop]
            add = constant and step > 0
            _reverse(incoming, voltage[t], slope, grad_u, grad_v, outgoing, add, fire, constants)
