"""The kernels of :mod:`dpap.neurons.kernels` for CUDA, in Triton, which needs no CUDA compiler.

A program keeps the states of a block of neurons in registers through all steps. The forward pass is in the
same 32-bit integers and equal bit for bit. The backward pass runs the neuron once more, with its voltages in
a buffer of four bytes a neuron and step, and reads them backward. Multiplications and additions are not
fused, so that a voltage at the edge of the rectangle falls on the same side of it as on the CPU.

Tensors are float32 and contiguous; :mod:`dpap.neurons.triton_launches` calls these kernels. Both modules are
imported only where a tensor lies on CUDA.
"""

import triton
import triton.language as tl

from dpap.neurons.parameters import DECAY_BITS, DECAY_UNITY, STATE_LIMIT, STATE_SHIFT, VOLTAGE_LIMIT

# Triton reads globals of a kernel only where they are annotated as constants.
_BITS: tl.constexpr = DECAY_BITS
_LOW: tl.constexpr = DECAY_UNITY - 1
_SHIFT: tl.constexpr = STATE_SHIFT
_HIGHEST_CURRENT: tl.constexpr = STATE_LIMIT
_LOWEST_CURRENT: tl.constexpr = -STATE_LIMIT
_PERIOD: tl.constexpr = 2 * STATE_LIMIT
_HIGHEST_VOLTAGE: tl.constexpr = VOLTAGE_LIMIT
_LOWEST_VOLTAGE: tl.constexpr = -VOLTAGE_LIMIT
_PI: tl.constexpr = 3.141592653589793


@triton.jit
def _decay(state, keep):
    """``rtz(state * keep / 4096)``, the magnitude split so that no product leaves 32 bits."""
    magnitude = tl.abs(state)
    kept = (magnitude >> _BITS) * keep + (((magnitude & _LOW) * keep) >> _BITS)
    return tl.where(state >= 0, kept, -kept)


@triton.jit
def _integrate(u, v, inputs, drive, keep_u, keep_v):
    """Current and voltage one step on, without the reset; ``drive`` is the bias in state units."""
    u = _decay(u, keep_u) + (inputs.to(tl.int32) << _SHIFT)
    # Lava wraps a current, once, and clips a voltage.
    wrapped = tl.where(u > _HIGHEST_CURRENT, u - _PERIOD, u)
    u = tl.where(u <= _LOWEST_CURRENT, u + _PERIOD, wrapped)
    v = _decay(v, keep_v) + u + drive
    v = tl.where(v > _HIGHEST_VOLTAGE, _HIGHEST_VOLTAGE, v)
    return u, tl.where(v < _LOWEST_VOLTAGE, _LOWEST_VOLTAGE, v)


@triton.jit
def _slope(distance, width, inverse_width, KIND: tl.constexpr):  # noqa: N803
    """:func:`dpap.neurons.surrogate.derivative`, with ``1 / width`` divided by the caller."""
    magnitude = tl.abs(distance)
    if KIND == 0:
        slope = tl.where(magnitude < 0.5 * width, inverse_width, 0.0)
    elif KIND == 1:
        slope = tl.exp(-magnitude * inverse_width) * (0.5 * inverse_width)
    elif KIND == 2:
        scaled = _PI * magnitude * inverse_width
        slope = inverse_width / (1.0 + scaled * scaled)
    else:
        scaled = 1.0 + 2.0 * magnitude * inverse_width
        slope = inverse_width / (scaled * scaled)
    return slope


@triton.jit
def forward_kernel(
    current,
    bias,
    spikes,
    voltage,
    neurons,
    channels,
    positions,
    steps,
    advance,
    keep_u,
    keep_v,
    fire,
    BLOCK: tl.constexpr,  # noqa: N803
):
    """Spikes and voltages before the reset, where asked for, of one block of neurons.

    ``advance`` is how far the inputs of a step are from those of the step before: 0 for a constant current.
    Neurons are ordered (sample, channel, position).
    """
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = index < neurons
    u = tl.zeros((BLOCK,), tl.int32)
    v = tl.zeros((BLOCK,), tl.int32)
    drive = tl.zeros((BLOCK,), tl.int32)
    if bias is not None:
        channel = (index // positions) % channels
        drive = tl.load(bias + channel, mask=inside, other=0).to(tl.int32) << _SHIFT
    for _ in range(steps):
        inputs = tl.load(current + index, mask=inside, other=0.0)
        u, v = _integrate(u, v, inputs, drive, keep_u, keep_v)
        fired = v > fire
        if voltage is not None:
            tl.store(voltage + index, v, mask=inside)
            voltage += neurons
        if spikes is not None:
            tl.store(spikes + index, fired.to(tl.float32), mask=inside)
            spikes += neurons
        v = tl.where(fired, 0, v)
        current += advance


@triton.jit
def pool_forward_kernel(
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
    advance,
    keep_u,
    keep_v,
    fire,
    WINDOW: tl.constexpr,  # noqa: N803
    WINDOWS: tl.constexpr,  # noqa: N803
    SPOTS: tl.constexpr,  # noqa: N803
):
    """Spikes summed over ``WINDOWS`` windows of one plane, and over all of them into one count.

    The windows of a plane are ``across`` to a row and cover it: those at the right and lower border may
    reach beyond it. ``rows`` times ``columns`` of them are whole and are stored.
    """
    plane, part = tl.program_id(0), tl.program_id(1)
    place = part * WINDOWS + tl.arange(0, WINDOWS)
    spot = tl.arange(0, SPOTS)
    top, left = place // across, place % across
    y = tl.expand_dims(top * WINDOW, 1) + tl.expand_dims(spot // WINDOW, 0)
    x = tl.expand_dims(left * WINDOW, 1) + tl.expand_dims(spot % WINDOW, 0)
    inside = (y < height) & (x < width) & (tl.expand_dims(spot, 0) < WINDOW * WINDOW)
    index = (plane * height + y) * width + x
    whole = (top < rows) & (left < columns)
    output = (plane * rows + top) * columns + left
    u = tl.zeros((WINDOWS, SPOTS), tl.int32)
    v = tl.zeros((WINDOWS, SPOTS), tl.int32)
    drive = tl.zeros((WINDOWS, SPOTS), tl.int32)
    if bias is not None:
        drive += tl.load(bias + plane % channels).to(tl.int32) << _SHIFT
    counts += plane * tl.num_programs(1) + part
    for _ in range(steps):
        inputs = tl.load(current + index, mask=inside, other=0.0)
        u, v = _integrate(u, v, inputs, drive, keep_u, keep_v)
        fired = v > fire
        # Whole numbers, so that the order of the sum does not matter.
        summed = tl.sum(tl.where(fired & inside, 1.0, 0.0), axis=1)
        tl.store(pooled + output, summed, mask=whole)
        tl.store(counts, tl.sum(summed, axis=0))
        v = tl.where(fired, 0, v)
        current += advance
        pooled += planes * rows * columns
        counts += planes * tl.num_programs(1)


@triton.jit
def backward_kernel(
    grad_outputs,
    voltage,
    grad_current,
    grad_bias,
    neurons,
    height,
    width,
    steps,
    advance_outputs,
    keep_u,
    keep_v,
    fire,
    level,
    spread,
    inverse_spread,
    unit,
    gain,
    CONSTANT: tl.constexpr,  # noqa: N803
    KIND: tl.constexpr,  # noqa: N803
    WINDOW: tl.constexpr,  # noqa: N803
    BLOCK: tl.constexpr,  # noqa: N803
):
    """Gradients through time (:func:`dpap.neurons.reference.backward`) of one block of neurons.

    The pointers are those of the last step. ``keep_u``, ``keep_v`` and what follows ``fire`` are in real
    units. Under a pool ``grad_outputs`` is that of the pooled planes.
    """
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = index < neurons
    source, received = index, inside
    if WINDOW > 1:
        place = index % (height * width)
        y, x = (place // width) // WINDOW, (place % width) // WINDOW
        rows, columns = height // WINDOW, width // WINDOW
        source = ((index // (height * width)) * rows + y) * columns + x
        received = inside & (y < rows) & (x < columns)
    grad_u = tl.zeros((BLOCK,), tl.float32)
    grad_v = tl.zeros((BLOCK,), tl.float32)
    total = tl.zeros((BLOCK,), tl.float32)
    total_v = tl.zeros((BLOCK,), tl.float32)
    for _ in range(steps):
        incoming = tl.load(grad_outputs + source, mask=received, other=0.0)
        v = tl.load(voltage + index, mask=inside, other=0)
        real = v.to(tl.float32) * unit
        carried = keep_v * grad_v
        slope = _slope(real - level, spread, inverse_spread, KIND)
        grad_v = (incoming - carried * real) * slope + tl.where(v > fire, 0.0, carried)
        grad_u = grad_v + keep_u * grad_u
        if CONSTANT:
            total += grad_u * gain
        else:
            tl.store(grad_current + index, grad_u * gain, mask=inside)
            grad_current -= neurons
        if grad_bias is not None:
            total_v += grad_v * gain
        grad_outputs -= advance_outputs
        voltage -= neurons
    if CONSTANT:
        tl.store(grad_current + index, total, mask=inside)
    if grad_bias is not None:
        tl.store(grad_bias + index, total_v, mask=inside)
