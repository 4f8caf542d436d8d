"""Deployment of a trained network: compile, run, measure, price, and prove its spikes equal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from deploy.compiler.compilation import compile
from deploy.hardware import Comparison, compare, estimate
from deploy.hardware.stopping import EarlyExit, early_exit, stops_early
from deploy.ir import Graph
from deploy.measurement.measurement import measure
from deploy.report import LayerPruning, ReportData, Variant, render
from deploy.runner import run
from deploy.verification.verification import Certificate, certify
from deploy.workflow.run_directory import RunDirectory
from dpap.data import Split
from dpap.networks import Network
from dpap.neurons.currents import OnOverflow
from dpap.pruning import RecordedPruningHistory, network_masks
from dpap.pruning.masks import Masks
from dpap.training import EpochRecord, accuracy

_BATCH = 512
"""Samples of the test split that are held at once."""


class DeploymentConfig(BaseModel):
    """How trained networks are deployed.

    Attributes
    ----------
    samples : int
        The first so many test samples are recorded on the fast simulator, compared with torch, measured and
        priced.
    lava_samples : int
        Of these, so many run on Lava and are compared.
    lava_time_limit : float, optional
        In seconds; by default the backend's.
    hardware : str
        A target.
    unknown, oversized : str
        As for :func:`deploy.estimate`.
    on_overflow : str
        As for :func:`deploy.run`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    samples: int = Field(200, ge=1)
    lava_samples: int = Field(50, ge=1)
    lava_time_limit: float | None = Field(None, gt=0)
    hardware: str = "loihi1"
    unknown: Literal["refuse", "bound"] = "refuse"
    oversized: Literal["refuse", "place"] = "refuse"
    on_overflow: OnOverflow = "raise"

    @property
    def pricing(self) -> dict[str, str]:
        """Options of everything that prices."""
        return {"unknown": self.unknown, "oversized": self.oversized}


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A network as it comes from its training.

    Attributes
    ----------
    name : str
        In files: ``dpap``, ``control``.
    label : str
        To the reader: ``DPAP``, ``unpruned control``.
    network : Network
    history : sequence of EpochRecord
    masks : mapping of str to Tensor, optional
        Remaining synapses by layer; by default the network's masks.
    """

    name: str
    label: str
    network: Network
    history: Sequence[EpochRecord]
    masks: Masks | None = None


@dataclass(frozen=True, eq=False)
class Deployment:
    """Networks, deployed.

    Attributes
    ----------
    networks : dict of str to Variant
        By name; the control, where there is one, comes last.
    certificate : Certificate
        Of the first, on the fast simulator and on Lava.
    comparison : Comparison or None
        With the control.
    early_exit : dict of str to EarlyExit
        By name; empty where the target cannot stop early.
    """

    networks: dict[str, Variant]
    certificate: Certificate
    comparison: Comparison | None
    early_exit: dict[str, EarlyExit]

    @property
    def pruned(self) -> Variant:
        """The network that is reported."""
        return next(iter(self.networks.values()))

    @property
    def control(self) -> Variant | None:
        """The network that it is compared with."""
        return list(self.networks.values())[1] if len(self.networks) > 1 else None


class Progress(Protocol):
    """Receives the progress of each stage."""

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Take in that ``done`` of ``total`` is done of a stage."""


def deploy(
    pruned: TrainedNetwork,
    control: TrainedNetwork | None,
    split: Split,
    config: DeploymentConfig,
    progress: Progress,
) -> Deployment:
    """Compile, run, measure, price and compare.

    Parameters
    ----------
    pruned, control : TrainedNetwork
    split : Split
        The whole test part, which both take.
    config : DeploymentConfig
    progress : Progress

    Raises
    ------
    CompileError
        A network cannot be compiled.
    HardwareError
        The target is not known, or lacks a value.
    ActivationOverflow
        A current leaves its 24 bits, and is not to wrap.
    BackendError
        Lava failed or ran out of time.
    """
    trained = [pruned] if control is None else [pruned, control]
    networks = {one.name: _deploy(one, split, config, progress) for one in trained}
    variant = networks[pruned.name]
    certificate = _certify(pruned.network, variant, split, config, progress)
    labels = split.labels[: config.samples]
    comparison, exits = None, {}
    if control is not None:
        dense = networks[control.name].measurement
        comparison = compare(dense, variant.measurement, config.hardware, **config.pricing)
    if stops_early(config.hardware):
        exits = {
            name: early_exit(one.recording, labels, config.hardware, **config.pricing)
            for name, one in networks.items()
        }
    return Deployment(networks, certificate, comparison, exits)


def _deploy(trained: TrainedNetwork, split: Split, config: DeploymentConfig, progress: Progress) -> Variant:
    stage = f"deploy {trained.label}"
    progress(stage, 0, 2)
    graph = compile(trained.network)
    inputs = split.over_time(graph.time_steps, config.samples)
    recording = run(graph, inputs, on_overflow=config.on_overflow)
    measurement = measure(graph, recording)
    priced = estimate(measurement, config.hardware, **config.pricing)
    progress(stage, 1, 2)
    variant = Variant(
        label=trained.label,
        history=trained.history,
        pruning=layer_pruning(trained.network, trained.masks),
        graph=graph,
        recording=recording,
        measurement=measurement,
        estimate=priced,
        accuracy=graph_accuracy(graph, split, config.on_overflow),
        trained_accuracy=accuracy(trained.network, split),
        tested=len(split),
    )
    progress(stage, 2, 2)
    return variant


def graph_accuracy(graph: Graph, split: Split, on_overflow: OnOverflow = "raise") -> float:
    """Share of a split's samples whose class fires most in the integer graph, 0 to 1."""
    right = 0
    for start in range(0, len(split), _BATCH):
        part = split.part(np.arange(start, min(start + _BATCH, len(split))))
        recording = run(graph, part.over_time(graph.time_steps), record=(), on_overflow=on_overflow)
        right += int((recording.predictions == part.labels).sum())
    return right / len(split)


def _certify(
    network: Network, variant: Variant, split: Split, config: DeploymentConfig, progress: Progress
) -> Certificate:
    stage, count = "run on Lava", min(config.lava_samples, len(split))
    progress(stage, 0, count)
    lava = run(
        variant.graph,
        split.over_time(variant.graph.time_steps, count),
        backend="lava",
        time_limit=config.lava_time_limit,
        progress=lambda done, total: progress(stage, done, total),
        on_overflow=config.on_overflow,
    )
    return certify(network, [variant.recording, lava], config.on_overflow)


def layer_pruning(network: Network, masks: Masks | None = None) -> dict[str, LayerPruning]:
    """Weights and neurons that a network's masks have removed, by layer.

    A neuron (a channel, in a convolution) is removed where none of its incoming synapses is left.

    Parameters
    ----------
    network : Network
    masks : mapping of str to bool Tensor, optional
        Remaining synapses, where the network's masks are not the whole of what was pruned.
    """
    masks = network_masks(network) if masks is None else masks
    pruning = {}
    for block in network.synaptic_blocks():
        alive = masks[block.name]
        kernel = block.weight[0, 0].numel()
        pruning[block.name] = LayerPruning(
            synapses=block.weight.numel(),
            synapses_pruned=int((~alive).sum()) * kernel,
            neurons=len(alive),
            neurons_pruned=int((~alive).all(1).sum()),
        )
    return pruning


def write_deployment(
    directory: RunDirectory,
    deployment: Deployment,
    split: Split,
    *,
    title: str,
    settings: dict[str, str],
    pruning_history: RecordedPruningHistory | None = None,
) -> None:
    """Write the model, the certificate, all counts and prices, and the report.

    Parameters
    ----------
    directory : RunDirectory
    deployment : Deployment
    split : Split
        The test part that it is of.
    title, settings, pruning_history
        Of the report (:class:`deploy.report.ReportData`).
    """
    networks, pruned = deployment.networks, deployment.pruned
    directory.withdraw("comparison.json", "early_exit.json")
    pruned.graph.save(directory.file("model.h5"))
    directory.write_json("certificate.json", deployment.certificate.to_dict())
    directory.write_json(
        "measurement.json", {name: one.measurement.to_dict() for name, one in networks.items()}
    )
    directory.write_json("estimate.json", {name: one.estimate.to_dict() for name, one in networks.items()})
    if deployment.comparison is not None:
        directory.write_json("comparison.json", deployment.comparison.to_dict())
    exits = deployment.early_exit
    if exits:
        directory.write_json("early_exit.json", {name: one.to_dict() for name, one in exits.items()})
    data = ReportData(
        title=title,
        settings=settings,
        pruned=pruned,
        control=deployment.control,
        labels=split.labels[: len(pruned.recording.inputs)].tolist(),
        certificate=deployment.certificate,
        comparison=deployment.comparison,
        # As the networks are drawn: the control first.
        early_exit=tuple(reversed(exits.values())) or None,
        pruning_history=pruning_history,
    )
    directory.write_text("report.html", render(data))
