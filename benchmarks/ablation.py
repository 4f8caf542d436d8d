"""The five criteria of importance at the same pruning rate, and the unpruned control, on handwritten digits.

The paper compares BCM with STDP and Hebb (Han et al. 2024, Fig. 4H); magnitude and chance are what any
criterion has to beat. Settings are not tuned here; the test split is measured at the last epoch.

    uv run python benchmarks/ablation.py --target 0.5 --epochs 30 --seeds 0 1 2
"""

import argparse
import json

from trainings import table, trained

METHODS = ("none", "bcm", "stdp", "hebb", "magnitude", "random")


def fields(method: str, seed: int, options: argparse.Namespace) -> dict:
    """The configuration of one training."""
    pruning = {"seed": seed}
    if method != "none":
        pruning["target"] = {"pruning_rate": options.target, "epochs": round(0.75 * options.epochs)}
    return {
        "network": {"notation": options.network},
        "method": method,
        "pruning": pruning,
        "training": {"epochs": options.epochs, "learning_rate": options.learning_rate, "seed": seed},
        "execution": {"device": "cpu", "threads": 1},
    }


def main() -> None:
    """Train all and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="16C3-AP2-32C3-AP2-128FC-10FC")
    parser.add_argument("--target", type=float, default=0.5)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--learning-rate", type=float, default=5e-3)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = {
        method: [trained(fields(method, seed, options)) for seed in options.seeds] for method in METHODS
    }
    if options.json:
        conditions = {name: value for name, value in vars(options).items() if name != "json"}
        print(json.dumps({"results": results, "conditions": conditions}))
        return
    print(table(results, "criterion"))


if __name__ == "__main__":
    main()
