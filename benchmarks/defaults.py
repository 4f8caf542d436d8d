"""What the defaults of DPAP cost in accuracy, beside the paper's form and unpruned controls, over seeds.

On samples held back from the training part; the test part plays no role.

    uv run python benchmarks/defaults.py --data digits --seeds 0 1 2 3 4
    uv run python benchmarks/defaults.py --data mnist --train 3000 --epochs 20 --time-steps 4 --seeds 0 1 2
"""

import argparse

import numpy as np
import torch

import dpap
from dpap.data import load
from dpap.networks import RECIPES
from dpap.runtime.threads import threads
from dpap.training import TrainingConfig, train
from dpap.training.run_config import DIGITS

FORMS = {"control": None, "default": dpap.DPAPConfig(), "paper": dpap.DPAPConfig.paper()}


def main() -> None:
    """Print a line for each seed and form."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="digits", help="digits, or a data set with a recipe: mnist, nmnist")
    parser.add_argument("--validation", type=int, default=300)
    parser.add_argument("--train", type=int, help="only the first so many training samples")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--time-steps", type=int, default=8)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    options = parser.parse_args()
    learned, held_back = load(
        options.data,
        "train",
        "validation",
        validation=options.validation,
        time_steps=options.time_steps,
        subset=True,
    )
    learned = learned.part(np.arange(len(learned))[: options.train])
    notation = DIGITS if options.data == "digits" else RECIPES[options.data].notation
    for seed in options.seeds:
        for form in options.forms:
            torch.manual_seed(seed)
            network = dpap.networks.build(
                notation, learned.input_shape, options.time_steps, input_max=learned.input_max
            )
            pruner = None if FORMS[form] is None else dpap.DPAP(network, FORMS[form])
            config = TrainingConfig(epochs=options.epochs, seed=seed)
            with threads(1):
                last = train(network, learned, held_back, config, pruner)[-1]
            print(
                f"{options.data} seed {seed} {form}: {last.test_accuracy:.2%} of {len(held_back)} held back,"
                f" {last.pruning_rate:.1%} pruned",
                flush=True,
            )


if __name__ == "__main__":
    main()
