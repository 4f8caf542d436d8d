"""What arrives at a layer's neurons: sums over its synapses, exact in float32.

Compilation proves that no sum of a graph leaves 24 bits, so whole numbers in float32 lose nothing.
"""

import numpy as np
import torch

from deploy.graph import Connection, ConvConnection, Layer


def dense_weight(connection: Connection) -> np.ndarray:
    """All weights with their zeros, int16: ``(outputs, inputs, height, width)`` or ``(targets, sources)``."""
    return (
        connection.dense_weight() if isinstance(connection, ConvConnection) else connection.matrix.toarray()
    )


def synaptic_sums(connection: Connection, weight: torch.Tensor, activity: torch.Tensor) -> torch.Tensor:
    """Sums over the synapses of a connection, its pool included.

    Parameters
    ----------
    connection : Connection
    weight : float32 Tensor
        In the shape of :func:`dense_weight`.
    activity : float32 Tensor of shape (B, *source shape)

    Returns
    -------
    Tensor of shape (B, *kept shape of the targets)
    """
    if connection.pool > 1:
        activity = torch.nn.functional.avg_pool2d(activity, connection.pool, divisor_override=1)
    if isinstance(connection, ConvConnection):
        return torch.nn.functional.conv2d(activity, weight, padding=connection.padding)
    return torch.nn.functional.linear(activity.flatten(1), weight)


@torch.inference_mode()
def reached(layer: Layer, arriving: np.ndarray) -> np.ndarray:
    """Whether at least one spike reaches each neuron at each step, bool ``(samples, steps, neurons)``.

    Parameters
    ----------
    layer : Layer
    arriving : array of shape (samples, steps, *source shape)
        Activity of its source.
    """
    present = torch.from_numpy((dense_weight(layer.connection) != 0).astype(np.float32))
    events = torch.from_numpy((arriving > 0).astype(np.float32)).flatten(0, 1)
    arrived = synaptic_sums(layer.connection, present, events)
    # Counts are whole: anything at all is at least 1.
    return (arrived > 0.5).numpy().reshape(*arriving.shape[:2], -1)
