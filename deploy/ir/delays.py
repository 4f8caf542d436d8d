"""The inputs of a layer, step by step: the activity of its sources, delayed.

A recurrent source's spikes arrive one step later, a delayed neuron's by its delay more. What would arrive
after the last step of a sample is lost, as all states are then reset.
"""

from collections.abc import Mapping

import numpy as np

from deploy.ir import INPUT, Layer


def delayed_input(layer: Layer, index: int, activity: np.ndarray) -> np.ndarray:
    """The delayed activity of one source.

    Parameters
    ----------
    layer : Layer
    index : int
        Which of ``layer.inputs``.
    activity : array of shape (samples, steps, *source shape)
        What the source sent, by the step at which it did.

    Returns
    -------
    array of the same shape
    """
    incoming = layer.inputs[index]
    if incoming.source == layer.name:
        own = np.ones(activity.shape[2:], np.int16)
        return delayed(activity, own if incoming.delays is None else own + incoming.delays)
    return delayed(activity, incoming.delays)


def delayed(activity: np.ndarray, delays: np.ndarray | None) -> np.ndarray:
    """Activity of each neuron, later by its delay.

    Parameters
    ----------
    activity : array of shape (samples, steps, *shape)
    delays : integer array of ``shape``, or None
    """
    if delays is None:
        return activity
    arrived = np.zeros_like(activity)
    steps = activity.shape[1]
    for delay in np.unique(delays):
        if delay < steps:
            chosen = delays == delay
            arrived[:, delay:, chosen] = activity[:, : steps - delay, chosen]
    return arrived


def delayed_inputs(layer: Layer, inputs: np.ndarray, spikes: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The delayed activity of each source of a layer.

    Parameters
    ----------
    layer : Layer
    inputs : array of shape (samples, steps, *input shape)
    spikes : dict of str to array
        Of the surviving neurons of each layer, ``(samples, steps, *kept shape)``.
    """
    return [
        delayed_input(layer, index, inputs if incoming.source == INPUT else spikes[incoming.source])
        for index, incoming in enumerate(layer.inputs)
    ]
