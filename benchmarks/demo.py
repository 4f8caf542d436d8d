"""Accuracy, pruning rate, time and memory of ``dpap demo`` over several seeds.

Each seed is one run of the command as a user would type it. Memory is the sum over the command and all its
child processes of their proportional set size (shared pages counted once), sampled five times a second.

    uv run python benchmarks/demo.py --seeds 0 1 2 [--json]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil


def tree_memory(process: psutil.Process) -> int:
    """Bytes that a process and its descendants hold now."""
    total = 0
    for member in [process, *process.children(recursive=True)]:
        try:
            total += member.memory_full_info().pss
        except psutil.Error:
            # It ended between being listed and being asked.
            continue
    return total


def run_seed(seed: int) -> dict:
    """One run of the demonstration, with its wall-clock seconds and peak memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "deploy", "demo", "--json", "--seed", str(seed), "--out", folder]
        started = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        process, peak = psutil.Process(child.pid), 0
        while child.poll() is None:
            try:
                peak = max(peak, tree_memory(process))
            except psutil.Error:
                break
            time.sleep(0.2)
        output, _ = child.communicate()
        seconds = time.perf_counter() - started
        if child.returncode:
            raise SystemExit(f"seed {seed}: exit status {child.returncode}")
        result = json.loads(output)
        estimate = json.loads((Path(folder) / "estimate.json").read_text())
        measured = json.loads((Path(folder) / "measurement.json").read_text())
    del result["run"]
    result |= {"seed": seed, "wall_seconds": round(seconds, 1), "peak_mb": round(peak / 1e6)}
    for name in ("dpap", "control"):
        layers = measured[name]["layers"].values()
        samples = measured[name]["samples"]
        result[f"{name}_synops"] = sum(layer["synops_effective"] for layer in layers) / samples
        for cost_set, costs in estimate[name]["cost_sets"].items():
            result[f"{name}_microjoule_{cost_set}"] = costs["dynamic_energy"] * 1e6
    return result


def main() -> None:
    """Run the seeds and print one line each, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    runs = [run_seed(seed) for seed in options.seeds]
    if options.json:
        print(json.dumps({"runs": runs}))
        return
    columns = list(runs[0])
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))
    for run in runs:
        print("| " + " | ".join(f"{run[column]:.5g}" for column in columns) + " |")


if __name__ == "__main__":
    main()
