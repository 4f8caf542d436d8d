"""Loss functions."""

from collections.abc import Callable

import torch

from dpap.networks import Network
from dpap.training.config import TrainingConfig


def rate_loss(output: torch.Tensor, labels: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    r"""Squared error of the firing rates, :math:`\| Y - \frac{1}{T}\sum_t o^t \|_2^2`.

    Source: Han et al. 2024, eq. 3.

    Parameters
    ----------
    output : Tensor of shape (N, classes, T)
    labels : int64 Tensor of shape (N,)
    smoothing : float
        Share of the label that is spread evenly over all classes (Szegedy et al. 2016, section 7).

    Returns
    -------
    Scalar, the mean over samples.
    """
    rates = output.mean(2)
    target = torch.nn.functional.one_hot(labels, rates.shape[1]).to(rates.dtype)
    if smoothing:
        target = torch.lerp(target, torch.full_like(target, 1 / rates.shape[1]), smoothing)
    return (target - rates).square().sum(1).mean()


def logit_loss(output: torch.Tensor, labels: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    r"""Cross-entropy of the output's mean over time, :math:`-\log \mathrm{softmax}(\frac{1}{T}\sum_t z^t)_y`.

    Source: Han et al. 2024, "DPAP in DNNs", whose outputs are logits. Of spikes the mean is the firing rate,
    and since that is between 0 and 1 the loss stays well above zero.

    Parameters and result are those of :func:`rate_loss`.
    """
    return torch.nn.functional.cross_entropy(output.mean(2), labels, label_smoothing=smoothing)


_FUNCTIONS = {"mse": rate_loss, "cross-entropy": logit_loss}


def loss_of(network: Network, config: TrainingConfig) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """The loss that a configuration asks for, as a function of output and labels."""
    function = _FUNCTIONS[config.loss or network.neuron.loss]
    return lambda output, labels: function(output, labels, config.label_smoothing)
