r"""The adaptive rate of neuronal pruning: the neurotrophic hypothesis.

Neurons compete for what their targets give: the fewer targets survive, the more neurons are pruned. The share
:math:`p` of a layer that is pruned, in percent, grows after every epoch by

.. math::
    \Delta p = a(x)\, \frac{\mathrm{alive}(l)}{\mathrm{alive}(l + 1)}, \qquad
    a(x) = \begin{cases} g\, e^{-x/\tau} & x < x_{late} \\ g_{late} & \text{else} \end{cases}

with :math:`x` the epochs since neurons are pruned. Source: Han et al. 2023 (SD-SNN) and its authors' code, in
which :math:`g = 1, \tau = 5` in convolutions, and :math:`g = 0.5, \tau = 1`, :math:`g_{late} = 0.0005` from
:math:`x = 24` in the fully connected layer, whose targets are the 10 classes.
"""

import math

import torch


def gain(elapsed: int, start: float, decay: float, late: float = 0.0, late_from: int | None = None) -> float:
    r""":math:`a(x)`, in percent.

    Parameters
    ----------
    elapsed : int
        :math:`x`.
    start, decay : float
        :math:`g` and :math:`\tau` in epochs.
    late : float
        :math:`g_{late}`.
    late_from : int, optional
        :math:`x_{late}`; by default it never comes.
    """
    if late_from is not None and elapsed >= late_from:
        return late
    return start * math.exp(-elapsed / decay)


def count_alive(synapse_alive: torch.Tensor, kernel: int, least: int) -> int:
    """Neurons that count as alive: with ``least`` remaining weights, or all they ever had if fewer.

    Parameters
    ----------
    synapse_alive : bool Tensor of shape (post, pre)
    kernel : int
        Weights of a synapse.
    least : int
    """
    possible = synapse_alive.shape[1] * kernel
    return int((synapse_alive.sum(1) * kernel >= min(least, possible)).sum())


def least_important(importance: torch.Tensor, percent: float) -> torch.Tensor:
    """Indices of the ``percent`` of neurons of the lowest importance, rounded down; of equals the first."""
    count = int(len(importance) * min(percent, 100.0) / 100)
    return importance.argsort(stable=True)[:count]
