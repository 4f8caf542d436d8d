"""The whole way on real digits: train and prune, compile, run on Lava, verify, measure, price, report."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from pydantic import BaseModel, ConfigDict, Field

import dpap
from deploy.compile import compile
from deploy.graph import Graph
from deploy.hardware import estimate
from deploy.measure import measure
from deploy.report import LayerPruning, ReportData, Variant, render
from deploy.run import run
from deploy.run_directory import RunDirectory
from deploy.verify import Certificate, certify
from deploy.versions import versions
from dpap.checkpoint import save_checkpoint
from dpap.data import Split, load_digits
from dpap.networks import Network, build
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


Progress = Callable[[str, int, int], None]
"""Called with the name of a stage, what is done of it, and the total."""


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
    networks, variants = {}, {}
    for label in (PRUNED, CONTROL):
        network, pruner, history = _train(config, label, train_split, test_split, progress)
        networks[label] = network, pruner
        variants[label] = _deploy(config, label, network, history, test_split, progress)
    pruned, control = variants[PRUNED], variants[CONTROL]
    network, pruner = networks[PRUNED]
    progress("run on Lava", 0, config.lava_samples)
    lava = run(
        pruned.graph,
        test_split.over_time(config.time_steps, config.lava_samples),
        backend="lava",
        time_limit=config.lava_time_limit,
    )
    progress("run on Lava", config.lava_samples, config.lava_samples)
    certificate = certify(network, [pruned.recording, lava])
    result = DemoResult(pruned, control, certificate)
    progress("write the report", 0, 1)
    save_checkpoint(directory.file("checkpoint.pt"), network, pruner)
    _write(config, result, directory, test_split)
    progress("write the report", 1, 1)
    return result


def _train(
    config: DemoConfig, label: str, train_split: Split, test_split: Split, progress: Progress
) -> tuple[Network, dpap.DPAP | None, list[EpochRecord]]:
    torch.manual_seed(config.training.seed)
    network = build(
        config.network,
        train_split.inputs.shape[1:],
        config.time_steps,
        input_max=train_split.input_max,
    )
    classes = network.synaptic_blocks()[-1].output_shape[0]
    if classes != CLASSES:
        raise dpap.InputError(
            f"{config.network!r} ends with {classes} neurons; the digits are {CLASSES} classes"
        )
    # What cannot be compiled is refused before the training, not after.
    compile(network)
    pruner = dpap.DPAP(network, config.pruning) if label == PRUNED else None
    stage, epochs = f"train: {label}", config.training.epochs
    progress(stage, 0, epochs)

    def on_epoch(record: EpochRecord) -> None:
        figures = f"{record.test_accuracy:6.1%} right, {record.pruning_rate:5.1%} pruned"
        progress(f"{stage}  {figures}", record.epoch, epochs)

    history = train(network, train_split, test_split, config.training, pruner, on_epoch)
    return network, pruner, history


def _deploy(
    config: DemoConfig,
    label: str,
    network: Network,
    history: list[EpochRecord],
    test_split: Split,
    progress: Progress,
) -> Variant:
    stage = f"compile, run and price: {label}"
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
    data = ReportData(
        title="DPAP on handwritten digits",
        settings=_settings(config, pruned.graph) | installed,
        pruned=pruned,
        control=control,
        labels=test_split.labels.tolist(),
        certificate=result.certificate,
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
