"""How the demonstration's constants were chosen: on 300 images held back from the training split.

The test split plays no part. Prints accuracy on the held-back images and the pruning rate, over seeds.

    uv run python benchmarks/choose_dpap.py --epsilon 1.85 --neurons 512 --seeds 0 1 2
"""

import argparse

import numpy as np
import torch

import dpap
from dpap.data import Split, load_digits
from dpap.training import TrainingConfig, train

HELD_BACK = 300


def held_back_split() -> tuple[Split, Split]:
    """Training images without the held-back ones, and those."""
    images, _ = load_digits()
    order = np.random.default_rng(99).permutation(len(images))
    parts = order[HELD_BACK:], order[:HELD_BACK]
    first, second = (Split(images.inputs[part], images.labels[part], images.input_max) for part in parts)
    return first, second


def main() -> None:
    """Train every seed and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--neurons", type=int, default=512, help="of the first dense layer")
    parser.add_argument("--epsilon", type=float, help="of dense layers; without it nothing is pruned")
    parser.add_argument("--eta", type=float, default=13.0)
    parser.add_argument("--normalization", default="percentile")
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    train_split, held_back = held_back_split()
    for seed in options.seeds:
        torch.manual_seed(seed)
        notation = f"16C3-AP2-32C3-AP2-{options.neurons}FC-10FC"
        network = dpap.networks.build(notation, (1, 8, 8), 8, input_max=held_back.input_max)
        pruner = None
        if options.epsilon is not None:
            dense = dpap.SurvivalConfig(epsilon=options.epsilon, protection=2.0, eta=options.eta)
            config = dpap.DPAPConfig(normalization=options.normalization, dense=dense)
            pruner = dpap.DPAP(network, config)
        training = TrainingConfig(epochs=options.epochs, learning_rate=options.learning_rate, seed=seed)
        last = train(network, train_split, held_back, training, pruner)[-1]
        print(f"seed {seed}: accuracy {last.test_accuracy:.2%}, pruned {last.pruning_rate:.1%}", flush=True)


if __name__ == "__main__":
    main()
