r"""Descriptions for the simulator SANA-FE, in its YAML format: a chip, and a network mapped on it.

A folder with two files: ``architecture.yaml``, which ``sanafe.load_arch`` reads, and ``network.yaml`` for
``sanafe.load_net``. Every surviving neuron and synapse is in it by itself, kernels and pools unrolled.

**Neurons** are SANA-FE's ``leaky_integrate_fire``. Its potentials are doubles in units of a weight, cut off
toward zero to 1/64 of that when they decay:

.. math::
    v \leftarrow \tfrac{1}{64} \operatorname{trunc}\big(64\, \tfrac{4096 - \alpha_v}{4096}\, v\big) + i,\qquad
    s = v > \Theta

64 v is our state of whole numbers, decays are multiples of 1/4096, and products of the two stay below
2**36, which doubles hold exactly. So the spikes are ours, every one. A synaptic current it does not cut off:
a layer with a ``current_decay`` between 0 and 4096 is refused.

**Time**: a spike takes a step from each layer to the next, so layer k (from 1) answers to the input of step t
in step t + k. The sources of a layer must all be one step before it; where they are not (a residual
connection around some layers), or where axons delay spikes, the layer is refused: what reaches the model for
delays of 2.2.9, ``accumulator_with_delay``, is not given to the neuron.

**Biases** begin with the input of step 0. They are synapses from the group ``bias``, of one neuron for each
layer that has any, which fires at each of that layer's steps. **Graded inputs** have one input neuron for
each binary digit, those of the lowest first; its weights are those of the synapses times 1, 2, 4, ...

The file holds the spikes of one sample where ``inputs`` are given; ``SpikingChip.reset`` starts another run.
Source: SANA-FE 2.2.9, ``models.cpp``, ``yaml_snn.cpp``, ``arch/loihi.yaml`` (Boyle et al., IEEE TCAD 44(8),
2025).
"""

from deploy.formats.sana_fe.writer import save

__all__ = ["save"]
