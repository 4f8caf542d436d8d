"""Constants of the fixed-point form of spiking neurons."""

DECAY_BITS = 12
"""Decays are multiples of 2**-12 (Loihi's compartment decay registers)."""

DECAY_UNITY = 1 << DECAY_BITS

STATE_SHIFT = 6
"""Loihi shifts every synaptic sum, threshold and bias left by 6 bits into its 24-bit states."""

STATE_LIMIT = 1 << 23
"""Currents have 24 bits: Lava wraps a current outside (-2**23, 2**23], once, by 2**24."""

VOLTAGE_LIMIT = STATE_LIMIT - 1
"""Voltages have 24 bits: Lava clips a voltage to +-(2**23 - 1)."""

SUM_LIMIT = STATE_LIMIT >> STATE_SHIFT
"""A current, in units of synaptic sums, must stay below 2**17 in magnitude, or Lava wraps it."""

ARITHMETIC_LIMIT = (1 << 25) - SUM_LIMIT
"""No synaptic sum may reach this for any input: with a current beside it, it still fits into 32 bits, and
float32 holds every even number up to it."""

THRESHOLD_LIMIT = (1 << 17) - 1
"""Largest threshold mantissa of Loihi (17 bits)."""
