"""The whole way on real digits: train and prune, compile, run on Lava, verify, measure, price, report."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

import dpap
from deploy.background import Background
from deploy.compiler import compile
from deploy.graph import Graph
from deploy.hardware import compare, estimate
from deploy.hardware.stopping import early_exit
from deploy.measurement import measure
from deploy.report import LayerPruning, ReportData, Variant, render
from deploy.run_directory import RunDirectory
from deploy.runner import run
from deploy.verification import Certificate, certify
from deploy.versions import versions
from dpap.checkpoint import save_checkpoint
from dpap.data import Split, load_digits
from dpap.networks import Network, build
from dpap.threads import threads
from dpap.training import EpochRecord, TrainingConfig, train

PRUNED, CONTROL = "DPAP", "unpruned control"

CLASSES = 10


class DemoConfig(BaseModel):
    """Everything that decides the demonstration's result.

    The constants of DPAP were chosen on a part of the training split (``benchmarks/README.md``).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: str = "24C3-AP2-48C3-AP2-512FC-10FC"
    time_steps: int = Field(8, ge=1)
    training: TrainingConfig = TrainingConfig(epochs=60, learning_rate=3e-3)
    pruning: dpap.DPAPConfig = dpap.DPAPConfig(
        normalization="percentile",
        dense=dpap.SurvivalConfig(epsilon=1.85, protection=2.0, eta=13.0),
    )
    lava_samples: int = Field(50, ge=1)
    lava_time_limit: float = Field(120.0, gt=0)
    hardware: str = "loihi1"


@dataclass(frozen=True, eq=False)
class DemoResult:
    """What the demonstration found.

    Attributes
    ----------
    pruned, control : Variant
        The two networks, deployed.
    certificate : Certificate
        Of the pruned one, on the fast simulator and on Lava.
    """

    pruned: Variant
    control: Variant
    certificate: Certificate


class Progress(Protocol):
    """Is told how far each stage is."""

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Take in that ``done`` of ``total`` is done of a stage."""


def run_demo(config: DemoConfig, directory: RunDirectory, progress: Progress) -> DemoResult:
    """Run every stage and write the run directory.

    Raises
    ------
    InputError
        The configuration or the folder is wrong.
    BackendError
        Lava failed or ran out of time.
    """
    train_split, test_split = load_digits()
    # What cannot be compiled is refused before the training, not after.
    compile(_build(config, train_split))
    with threads(1), Background(_train_control, config) as background:
        trained = _train_both(config, train_split, test_split, background, progress)
    variants = {
        label: _deploy(config, label, network, history, test_split, progress)
        for label, (network, _, history) in trained.items()
    }
    pruned, control = variants[PRUNED], variants[CONTROL]
    network, pruner, _ = trained[PRUNED]
    progress("run on Lava", 0, config.lava_samples)
    lava = run(
        pruned.graph,
        test_split.over_time(config.time_steps, config.lava_samples),
        backend="lava",
        time_limit=config.lava_time_limit,
        progress=lambda done, total: progress("run on Lava", done, total),
    )
    certificate = certify(network, [pruned.recording, lava])
    result = DemoResult(pruned, control, certificate)
    progress("write the report", 0, 1)
    save_checkpoint(directory.file("checkpoint.pt"), network, pruner)
    _write(config, result, directory, test_split)
    progress("write the report", 1, 1)
    return result


def _build(config: DemoConfig, split: Split) -> Network:
    torch.manual_seed(config.training.seed)
    network = build(config.network, split.inputs.shape[1:], config.time_steps, input_max=split.input_max)
    classes = network.synaptic_blocks()[-1].output_shape[0]
    if classes != CLASSES:
        raise dpap.InputError(
            f"{config.network!r} ends with {classes} neurons; the digits are {CLASSES} classes"
        )
    return network


_Trained = tuple[Network, dpap.DPAP | None, list[EpochRecord]]


def _train_both(
    config: DemoConfig, train_split: Split, test_split: Split, background: Background, progress: Progress
) -> dict[str, _Trained]:
    """Train the pruned network here and the control beside, each on a core of its own."""
    epochs = config.training.epochs

    def show(label: str, record: EpochRecord) -> None:
        figures = f"{record.test_accuracy:6.1%} right, {record.pruning_rate:5.1%} pruned"
        progress(f"train {label}", record.epoch, epochs, figures)

    def on_epoch(record: EpochRecord) -> None:
        show(PRUNED, record)
        for other in background.messages():
            show(CONTROL, other)

    for label in (PRUNED, CONTROL):
        progress(f"train {label}", 0, epochs)
    network = _build(config, train_split)
    pruner = dpap.DPAP(network, config.pruning)
    history = train(network, train_split, test_split, config.training, pruner, on_epoch)
    for other in background.messages(wait=True):
        show(CONTROL, other)
    state, control_history = background.result()
    control = _build(config, train_split)
    control.load_state_dict({name: torch.from_numpy(values) for name, values in state.items()})
    return {PRUNED: (network, pruner, history), CONTROL: (control, None, control_history)}


def _train_control(
    config: DemoConfig, report: Callable[[EpochRecord], None]
) -> tuple[dict[str, np.ndarray], list[EpochRecord]]:
    """Weights and history of the unpruned network, in a process of its own."""
    train_split, test_split = load_digits()
    with threads(1):
        network = _build(config, train_split)
        history = train(network, train_split, test_split, config.training, on_epoch=report)
    return {name: values.numpy() for name, values in network.state_dict().items()}, history


def _deploy(
    config: DemoConfig,
    label: str,
    network: Network,
    history: list[EpochRecord],
    test_split: Split,
    progress: Progress,
) -> Variant:
    stage = f"deploy {label}"
    progress(stage, 0, 1)
    graph = compile(network)
    recording = run(graph, test_split.over_time(config.time_steps), backend="fast")
    measurement = measure(graph, recording)
    variant = Variant(
        label=label,
        history=history,
        pruning=layer_pruning(network),
        graph=graph,
        recording=recording,
        measurement=measurement,
        estimate=estimate(measurement, config.hardware),
        accuracy=recording.accuracy(test_split.labels),
    )
    progress(stage, 1, 1)
    return variant


def layer_pruning(network: Network) -> dict[str, LayerPruning]:
    """Weights and neurons that a network's masks have removed, by layer.

    A neuron (a channel, in a convolution) is removed where none of its incoming synapses is left.
    """
    pruning = {}
    for block in network.synaptic_blocks():
        living = block.mask.flatten(1)
        kernel = block.weight[0, 0].numel()
        pruning[block.name] = LayerPruning(
            synapses=block.weight.numel(),
            synapses_pruned=int((living == 0).sum()) * kernel,
            neurons=len(living),
            neurons_pruned=int((living == 0).all(1).sum()),
        )
    return pruning


def _write(config: DemoConfig, result: DemoResult, directory: RunDirectory, test_split: Split) -> None:
    pruned, control = result.pruned, result.control
    installed = versions()
    directory.write_yaml("config.yaml", config.model_dump(mode="json") | {"versions": installed})
    directory.write_history("history.csv", {"dpap": pruned.history, "control": control.history})
    pruned.graph.save(directory.file("model.h5"))
    directory.write_json("certificate.json", result.certificate.to_dict())
    both = {"dpap": pruned, "control": control}
    directory.write_json("measurement.json", {name: v.measurement.to_dict() for name, v in both.items()})
    directory.write_json("estimate.json", {name: v.estimate.to_dict() for name, v in both.items()})
    comparison = compare(control.measurement, pruned.measurement, config.hardware)
    directory.write_json("comparison.json", comparison.to_dict())
    exits = [
        early_exit(variant.recording, test_split.labels, config.hardware) for variant in (control, pruned)
    ]
    directory.write_json("early_exit.json", {"control": exits[0].to_dict(), "dpap": exits[1].to_dict()})
    data = ReportData(
        title="DPAP on handwritten digits",
        settings=_settings(config, pruned.graph) | installed,
        pruned=pruned,
        control=control,
        labels=test_split.labels.tolist(),
        certificate=result.certificate,
        comparison=comparison,
        early_exit=tuple(exits),
    )
    directory.write_text("report.html", render(data))


def _settings(config: DemoConfig, graph: Graph) -> dict[str, str]:
    training, pruning = config.training, config.pruning
    return {
        "data": "scikit-learn's handwritten digits, 1347 to train and 450 to test",
        "network": config.network,
        "time steps an inference": str(config.time_steps),
        "input": f"analog, as graded spikes from 0 to {graph.input_max}, the same at every step",
        "seed": str(training.seed),
        "training": f"{training.epochs} epochs, AdamW, learning rate {training.learning_rate:g},"
        f" batch {training.batch_size}",
        "DPAP in convolutions": _constants(pruning.conv),
        "DPAP in dense layers": _constants(pruning.dense),
        "DPAP normalisation": pruning.normalization,
    }


def _constants(constants: dpap.SurvivalConfig) -> str:
    return f"epsilon {constants.epsilon:g}, C {constants.protection:g}, eta {constants.eta:g}"
