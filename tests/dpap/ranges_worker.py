"""Run by the tests as one of several gloo processes: trains networks whose scales follow from ranges.

Arguments: rank, processes, file to meet at, file for the results of each.
"""

import sys

import torch
from factories import firing_network

import dpap

SAMPLES, BATCH, EPOCHS = 41, 20, 2
"""The last batch has one sample: the second process has none of it."""

NOTATIONS = ("12RFC-10FC", "12FC-BN-10FC")


def trained(notation, rank, processes):
    """The state of a network after some epochs, with gradients averaged."""
    neuron = dpap.LIF(current_decay=0.0, voltage_decay=0.5)
    network = firing_network(notation, (64,), 8, input_max=255, gain=1.0, neuron=neuron).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4)
    generator = torch.Generator().manual_seed(0)
    for _ in range(EPOCHS):
        inputs = torch.randint(0, 40, (SAMPLES, 64), generator=generator).float()
        inputs[::7] *= 4
        for start in range(0, SAMPLES, BATCH):
            batch = inputs[start : start + BATCH]
            optimizer.zero_grad()
            (network(batch[rank::processes]).sum() / len(batch)).backward()
            for parameter in network.parameters():
                if processes > 1:
                    torch.distributed.all_reduce(parameter.grad)
            optimizer.step()
    return network.state_dict()


def main():
    rank, processes = int(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{sys.argv[3]}", rank=rank, world_size=processes
    )
    states = {notation: trained(notation, rank, processes) for notation in NOTATIONS}
    torch.save(states, f"{sys.argv[4]}.{rank}")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
