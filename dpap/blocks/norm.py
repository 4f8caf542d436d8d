r"""Normalisation of synaptic sums over the batch, folded into weights and biases for inference.

.. math::
    y_c = \gamma_c \frac{x_c - \mu_c}{\sqrt{\sigma_c^2 + \epsilon}} + \beta_c

:math:`x_c` are the real synaptic sums of channel c at all positions, steps and samples. In training
:math:`\mu, \sigma^2` are the batch's; in evaluation the running ones, which makes it a scaling of the weights
and a bias. Source: Ioffe and Szegedy 2015; folding as in Jacob et al. 2018.
"""

import torch
from torch import nn

Statistics = tuple[torch.Tensor, torch.Tensor]
"""Running mean and variance."""


class BatchNorm(nn.Module):
    r"""Batch normalisation of a block's synaptic sums.

    In training the batch's statistics apply, to the sums of unfolded integer weights. In evaluation, and
    where ``frozen``, the folded weights are quantised, as they are deployed: training the last epochs
    frozen removes what difference that makes.

    Parameters
    ----------
    channels : int
        Channels, or neurons of a dense layer.
    eps : float
        :math:`\epsilon`, in squared units of the real sums.
    momentum : float
        Weight of a batch in the running statistics.

    Attributes
    ----------
    weight, bias : Parameters of shape (channels,)
        :math:`\gamma` and :math:`\beta`.
    running_mean, running_var : Tensors of shape (channels,)
        Running statistics of the real sums.
    frozen : bool
        Whether training, too, runs on the folded integers; the statistics then stay as they are.
    """

    def __init__(self, channels: int, eps: float = 1e-5, momentum: float = 0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.frozen = False
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def statistics(self) -> Statistics:
        """The running statistics as they are now."""
        return self.running_mean.clone(), self.running_var.clone()

    def set_statistics(self, statistics: Statistics) -> None:
        """Go back to running statistics of before."""
        with torch.no_grad():
            for running, value in zip((self.running_mean, self.running_var), statistics, strict=True):
                running.copy_(value)

    def fold(self, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Weights and biases that give the normalised sums, by the running statistics.

        Parameters
        ----------
        weight : Tensor of shape (channels, ...)
            Real weights.
        """
        gain = self.weight / torch.sqrt(self.running_var + self.eps)
        folded = weight * gain.view(-1, *(1,) * (weight.dim() - 1))
        return folded, self.bias - self.running_mean * gain

    def forward(
        self, sums: torch.Tensor, input_unit: float, output_unit: float, alive: torch.Tensor
    ) -> torch.Tensor:
        """Normalise by the batch, and take it into the running statistics.

        Parameters
        ----------
        sums : Tensor of shape (B, channels, ...)
            Sums in integer units, ``input_unit`` of them for the real value 1.
        input_unit, output_unit : float
            Units of the sums and of the result.
        alive : Tensor of shape (channels,)
            0 for channels without synapses: their bias counts for nothing.
        """
        mean = self.running_mean * input_unit
        variance = self.running_var * input_unit**2
        # torch refuses to normalise a single value a channel, which has no variance, and none at all.
        varies = sums.numel() > sums.shape[1]
        normalized = torch.nn.functional.batch_norm(
            sums,
            mean,
            variance,
            self.weight * output_unit,
            self.bias * alive * output_unit,
            training=varies,
            momentum=self.momentum,
            eps=self.eps * input_unit**2,
        )
        with torch.no_grad():
            self.running_mean.copy_(mean / input_unit)
            self.running_var.copy_(variance / input_unit**2)
        if not varies:
            # The running mean is not that of a channel without synapses.
            normalized = normalized * alive.view(-1, *(1,) * (sums.dim() - 2))
        return normalized

    def extra_repr(self) -> str:
        """Channels and state, for the module's printed form."""
        return f"{len(self.weight)}, frozen={self.frozen}"
