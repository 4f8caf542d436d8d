"""Run by the tests as one of several gloo processes: prunes with its part of every batch.

Arguments: rank, processes, file to meet at, file for the results of the first.
"""

import sys

import torch
from factories import firing_network

import dpap

SAMPLES, BATCH, EPOCHS = 41, 20, 3
"""The last batch has one sample: the second process has none of it."""

TARGETS = {"rate": {"pruning_rate": 0.5, "epochs": 3}, "synops": {"synops": 300.0, "epochs": 3}}

FORMS = {
    **{name: dpap.DPAPConfig(importance=name) for name in ("bcm", "stdp", "hebb", "magnitude", "random")},
    "authors": dpap.DPAPConfig.authors_code(schedule={"warm_up": 0}),
    **{name: dpap.DPAPConfig(target=target) for name, target in TARGETS.items()},
    "sdsnn": dpap.SDSNNConfig(
        patience=1,
        dense=dpap.SDSNNConfig().dense.model_copy(update={"pruning_percent": 20.0}),
        floor={"neurons": 2},
    ),
}


def pruned(config, rank, processes):
    """State of a pruner after some epochs on a fixed network."""
    return (
        grown(config, rank, processes)
        if isinstance(config, dpap.SDSNNConfig)
        else shrunk(config, rank, processes)
    )


def grown(config, rank, processes):
    """Of SD-SNN, whose growth signals are gradients."""
    network = firing_network("6C3-AP2-12FC-10FC", (1, 8, 8), 4, input_max=16).train()
    pruner = dpap.SDSNN(network, config)
    generator = torch.Generator().manual_seed(0)
    for _ in range(6):
        inputs = torch.randint(0, 17, (BATCH, 1, 8, 8), generator=generator).float()
        network(inputs[rank::processes]).sum().backward()
        pruner.after_batch()
        pruner.after_epoch()
    return pruner.state_dict() | {"rate": pruner.pruning_rate}


def shrunk(config, rank, processes):
    """Of DPAP."""
    network = firing_network("6C3-AP2-12FC-10FC", (1, 8, 8), 4, input_max=16).train()
    pruner = dpap.DPAP(network, config)
    generator = torch.Generator().manual_seed(0)
    for _ in range(EPOCHS):
        inputs = torch.randint(0, 17, (SAMPLES, 1, 8, 8), generator=generator).float()
        for start in range(0, SAMPLES, BATCH):
            network(inputs[start : start + BATCH][rank::processes])
            pruner.after_batch()
        pruner.after_epoch()
    return pruner.state_dict() | {"rate": pruner.pruning_rate}


def main():
    rank, processes = int(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{sys.argv[3]}", rank=rank, world_size=processes
    )
    states = {name: pruned(config, rank, processes) for name, config in FORMS.items()}
    torch.save(states, f"{sys.argv[4]}.{rank}")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
