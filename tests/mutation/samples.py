"""Small files of every kind that the program reads, and how each is read."""

import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from factories import firing_network, random_inputs

import deploy
import dpap
from deploy.cli.data import load_inputs
from deploy.hardware import load_hardware
from deploy.inputs import validate_inputs
from deploy.simulator.cost_file import DEFAULT_COSTS, load_costs, save_costs
from dpap.checkpoint import load_checkpoint, read_checkpoint, save_checkpoint
from dpap.data.cifar10 import read_archive
from dpap.pruning import read_pruning_history
from dpap.pruning.masks import load_masks, save_masks
from dpap.training import read_history
from dpap.training.processes import OneProcess
from dpap.training.run import Run
from dpap.training.run_config import make_run_config, read_run_config
from dpap.training.run_files import RunFiles
from mutation.data_files import data_files

SHAPE, STEPS = (1, 6, 6), 3


@dataclass(frozen=True)
class Sample:
    """A valid file, the family of its mutations, and its reader."""

    name: str
    path: Path
    family: str
    read: Callable[[Path], Any]


def make_samples(folder: Path) -> list[Sample]:
    """Write a valid file of every kind into a folder."""
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    network = firing_network("3C3-AP2-8FC-4FC", SHAPE, STEPS, input_max=4)
    graph = deploy.compile(network)
    inputs = random_inputs(network, 3)
    made = [*_runs(folder), *_tables(folder), *(Sample(*file) for file in data_files(folder))]

    own = folder / "by-hand.safetensors"
    # The same blocks, but described one by one and not by the notation.
    network.described = False
    save_checkpoint(own, network)
    made.append(
        Sample(
            "by-hand.safetensors", own, "safetensors", lambda path: deploy.compile(load_checkpoint(path)[0])
        )
    )

    model = folder / "model.h5"
    graph.save(model)
    made.append(Sample("model.h5", model, "sealed-hdf5", deploy.load))
    recording = folder / "recording.h5"
    deploy.run(graph, inputs).save(recording)
    made.append(Sample("recording.h5", recording, "sealed-hdf5", _read_recording))
    if importlib.util.find_spec("nir"):
        nir = folder / "network.nir"
        deploy.export(graph, nir, "nir")
        made.append(Sample("network.nir", nir, "hdf5", lambda path: deploy.from_nir(path, reset="zero")))
    np.save(folder / "inputs.npy", inputs)
    made.append(
        Sample(
            "inputs.npy",
            folder / "inputs.npy",
            "npy",
            lambda path: validate_inputs(graph, load_inputs(graph, str(path), samples=3)[0]),
        )
    )
    save_masks(folder / "masks.npz", {"fc1": torch.ones(3, 4), "fc2": torch.zeros(2, 3)})
    made.append(Sample("masks.npz", folder / "masks.npz", "npz", load_masks))
    images = {"images": np.zeros((4, 32, 32, 3), np.uint8), "labels": np.arange(4, dtype=np.uint8)}
    np.savez_compressed(folder / "cifar10_test.npz", **images)
    made.append(Sample("cifar10.npz", folder / "cifar10_test.npz", "npz", read_archive))
    return made


def _runs(folder: Path) -> list[Sample]:
    made = []
    for method in ("dpap", "sdsnn"):
        config = make_run_config(
            {
                "data": {"name": "digits", "time_steps": 2, "validation": 1200},
                "network": {"notation": "3C3-AP2-10FC"},
                "training": {"epochs": 60},
                "method": method,
            }
        )
        files = RunFiles(folder / method)
        run = Run(config, files, OneProcess())
        files.begin(config.to_yaml(), keep=False)
        run.next_epoch()
        made += [
            Sample(f"{method}/checkpoint.safetensors", files.best, "safetensors", _checkpoint_reader(run)),
            Sample(f"{method}/last.safetensors", files.last, "safetensors", _resume_reader(run)),
            Sample(f"{method}/development.npz", files.pruning_history, "npz", read_pruning_history),
            Sample(f"{method}/history.csv", files.history, "csv", read_history),
            Sample(f"{method}/config.yaml", files.config, "yaml", _read_config),
        ]
    return made


def _checkpoint_reader(run: Run) -> Callable[[Path], Any]:
    def read(path: Path) -> None:
        checkpoint = read_checkpoint(path)
        run.trainer.pruner.load_state_dict(checkpoint.pruner)
        deploy.compile(checkpoint.network)

    return read


def _resume_reader(run: Run) -> Callable[[Path], Any]:
    def read(path: Path) -> None:
        run.files.last = path
        run.resume()
        # What was taken over must be whole: the next step of the optimiser and of the pruner run on it.
        run.trainer.next_epoch(run.splits["train"], None)
        if run.pruning_history is not None:
            run.pruning_history.record()

    return read


def _read_config(path: Path) -> None:
    config = make_run_config(read_run_config(path), where=str(path))
    config.to_yaml()


def _read_recording(path: Path) -> None:
    recording = deploy.load_recording(path)
    np.asarray(recording.inputs)
    for name in recording.kept:
        recording.spikes[name].sum()


def _tables(folder: Path) -> list[Sample]:
    root = Path(__file__).parent.parent.parent
    made = []
    for name in ("loihi2", "speck"):
        path = folder / f"{name}.yaml"
        path.write_text((root / "hardware_configs" / f"{name}.yaml").read_text(encoding="utf-8"))
        made.append(Sample(f"hardware/{name}.yaml", path, "yaml", load_hardware))
    costs = save_costs(DEFAULT_COSTS, folder / "kernel-costs.json")
    made.append(Sample("kernel-costs.json", costs, "json", _read_costs))
    return made


def _read_costs(path: Path) -> None:
    """A damaged table is not used, and a warning says so."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        costs = load_costs(path)
    if costs is DEFAULT_COSTS:
        assert said
        raise dpap.InputError(str(said[0].message))


TYPED = (dpap.InputError, dpap.TrainingError, deploy.BackendError)
"""Errors that a reader may raise."""
