"""DPAP, SD-SNN and magnitude side by side, at the pruning rate at which SD-SNN settles.

SD-SNN finds its pruning rate itself; the others have the rate that it found with the same seed as their
target. The control is not pruned. The test part is measured after the last epoch and chooses nothing.

    uv run python benchmarks/methods.py [--config benchmarks/runs/digits.yaml] [--seeds 0 1 2] [--json]
"""

import argparse
import json
from pathlib import Path

from trainings import table, trained

from dpap.training.run_config import read_run_config

DIGITS = Path(__file__).parent / "runs" / "digits.yaml"


def main() -> None:
    """Train all and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=DIGITS, help="with the sections pruning and sdsnn")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    fields = read_run_config(options.config)
    untargeted = {"pruning.target": None}
    results = {method: [] for method in ("none", "sdsnn", "dpap", "magnitude")}
    for seed in options.seeds:
        seeded = {"training.seed": seed}
        for method, found in results.items():
            if method in ("none", "sdsnn"):
                changes = untargeted
            else:
                changes = {"pruning.target.pruning_rate": results["sdsnn"][-1]["pruning_rate"]}
            found.append(trained(fields, seeded | changes | {"method": method}))
    if options.json:
        print(json.dumps({"results": results, "config": str(options.config), "seeds": options.seeds}))
        return
    print(table(results, "method"))


if __name__ == "__main__":
    main()
