"""A network as stock SLAYER blocks."""

from torch import nn

from dpap.blocks import Conv, SumPool, SynapticBlock
from dpap.errors import InputError
from dpap.networks import Network
from dpap.neurons.parameters import DECAY_UNITY
from dpap.slayer import sigma_delta
from dpap.slayer.pool import SumPool as StockSumPool

SCALE = 64
"""Scale of the stock neurons, SLAYER's default: integer units of a weight of 1."""


def to_slayer(network: Network) -> nn.Sequential:
    r"""The network as stock ``slayer.block.cuba`` blocks, with the same spikes in evaluation.

    Every layer has its integers: :math:`w = w_{int} / 64`, :math:`\vartheta = \Theta / 64`, decays in
    1/4096, ``delay_shift=False``. Pruned weights are zero. A pool is a :class:`dpap.slayer.SumPool`.

    A network of :class:`dpap.ReLU` units becomes ``slayer.block.sigma_delta`` blocks with the same messages,
    behind a :class:`dpap.slayer.sigma_delta.DeltaEncoder`; a maximum pool is a
    :class:`dpap.slayer.sigma_delta.MaxPool`. The last block gives the changes of the logits. SLAYER computes
    in float32, so messages are equal where no sum exceeds 2**24 (``.double()`` the result for larger ones);
    its HDF5 export rounds thresholds down to multiples of 1 / scale and leaves biases out.

    The result takes ``(N, *input_shape, T)`` whole numbers from 0 to ``input_max`` and gives
    ``(N, classes, T)``. It is of its own: training it changes nothing here.

    Parameters
    ----------
    network : Network

    Raises
    ------
    InputError
        It is no :class:`dpap.networks.Network`.
    NetworkError
        It has ReLU units and a layer without counterpart.
    """
    if not isinstance(network, Network):
        raise InputError(f"this is a {type(network).__name__}; expected a dpap Network (dpap.networks.build)")
    if network.neuron.type == "relu":
        return sigma_delta.to_stock(network)
    from lava.lib.dl.slayer.block import cuba  # Lava takes seconds and sets the start method of processes.

    layers: list[nn.Module] = []
    flat = len(network.input_shape) == 1
    for block in network.layers.values():
        if isinstance(block, SynapticBlock):
            layers.append(_stock_block(block, cuba))
        elif isinstance(block, SumPool):
            layers.append(StockSumPool(block.window))
        elif not flat:
            # The stock block takes nothing that is flat already.
            layers.append(cuba.Flatten())
            flat = True
    return nn.Sequential(*layers)


def _stock_block(block: SynapticBlock, cuba) -> nn.Module:
    weight, _, threshold, _ = block.integer_parameters()
    parameters = {
        "threshold": threshold / SCALE,
        "current_decay": (DECAY_UNITY - block.neuron.current_keep) / DECAY_UNITY,
        "voltage_decay": (DECAY_UNITY - block.neuron.voltage_keep) / DECAY_UNITY,
        "scale": SCALE,
    }
    pre, post = block.input_shape[0], block.output_shape[0]
    if isinstance(block, Conv):
        stock = cuba.Conv(parameters, pre, post, block.kernel, padding=block.padding, delay_shift=False)
    else:
        stock = cuba.Dense(parameters, pre, post, delay_shift=False)
    # SLAYER compares v >= threshold + eps in float32, where its own eps of 0.01 is lost from a threshold of
    # 4096 on, and it would fire at the threshold. Half a unit survives up to the largest.
    stock.neuron.threshold_eps = 0.5 / stock.neuron.s_scale
    stock.synapse.weight.data = weight.detach().reshape(stock.synapse.weight.shape) / SCALE
    return stock.to(weight.device)
