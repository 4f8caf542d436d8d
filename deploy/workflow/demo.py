"""The demonstration on real digits: train and prune, compile, run on Lava, verify, measure, price, report."""

from collections.abc import Callable

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

import dpap
from deploy.compiler.compilation import compile
from deploy.ir import Graph
from deploy.report.settings import training_settings
from deploy.workflow.background import Background
from deploy.workflow.deployment import (
    Deployment,
    DeploymentConfig,
    Progress,
    TrainedNetwork,
    deploy,
    write_deployment,
)
from deploy.workflow.run_directory import RunDirectory
from deploy.workflow.versions import versions, versions_header
from dpap.checkpoint import BEST_FILE, save_checkpoint
from dpap.data import Split, load_digits
from dpap.networks import Network, build
from dpap.pruning import PruningHistory, read_pruning_history
from dpap.runtime.threads import threads
from dpap.training import EpochRecord, TrainingConfig, train
from dpap.training.methods import UNPRUNED as NO_PRUNING
from dpap.training.methods import method_named
from dpap.training.run_config import DIGITS, RunConfig, make_run_config
from dpap.training.run_files import CONTROL

PRUNED, UNPRUNED = "DPAP", "unpruned control"

CLASSES = 10


class DemoConfig(BaseModel):
    """Everything that decides the demonstration's result.

    The constants of DPAP are its defaults, which were chosen on a part of the training split
    (``benchmarks/README.md``).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: str = DIGITS
    time_steps: int = Field(8, ge=1)
    training: TrainingConfig = TrainingConfig()
    pruning: dpap.DPAPConfig = dpap.DPAPConfig()
    lava_samples: int = Field(50, ge=1)
    lava_time_limit: float = Field(120.0, gt=0)
    hardware: str = "loihi1"

    def run(self, method: str = "dpap") -> RunConfig:
        """The same training as a configuration of ``dpap train``; ``none`` is the control's."""
        fields = {
            "data": {"name": "digits", "time_steps": self.time_steps},
            "network": {"notation": self.network},
            "method": method,
            "training": self.training,
            "execution": {"threads": 1},
        }
        pruning = {"pruning": self.pruning} if method_named(method).prunes else {}
        return make_run_config(fields | pruning)

    def deployment(self, samples: int) -> DeploymentConfig:
        """How the networks are deployed; all samples are recorded."""
        return DeploymentConfig(
            samples=samples,
            lava_samples=self.lava_samples,
            lava_time_limit=self.lava_time_limit,
            hardware=self.hardware,
        )


def run_demo(config: DemoConfig, directory: RunDirectory, progress: Progress) -> Deployment:
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
        pruned, control, pruning_history = _train_both(config, train_split, test_split, background, progress)
    network, pruner, history = pruned
    result = deploy(
        TrainedNetwork("dpap", PRUNED, network, history),
        TrainedNetwork(CONTROL, UNPRUNED, *control),
        test_split,
        config.deployment(len(test_split)),
        progress,
    )
    progress("write the report", 0, 1)
    for where, run, trained in (
        ("", config.run(), (network, pruner)),
        (f"{CONTROL}/", config.run(NO_PRUNING.name), (control[0], None)),
    ):
        save_checkpoint(directory.file(f"{where}{BEST_FILE}"), *trained)
        directory.write_text(f"{where}config.yaml", versions_header("dpap demo") + run.to_yaml())
    directory.write_history("history.csv", {"dpap": history, CONTROL: control[1]})
    directory.write_history(f"{CONTROL}/history.csv", {NO_PRUNING.name: control[1]})
    pruning_history.save(directory.file("development.npz"))
    write_deployment(
        directory,
        result,
        test_split,
        title="DPAP on handwritten digits",
        settings=_settings(config, result.pruned.graph) | versions(),
        pruning_history=read_pruning_history(directory.file("development.npz")),
    )
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


def _train_both(
    config: DemoConfig, train_split: Split, test_split: Split, background: Background, progress: Progress
) -> tuple[tuple[Network, dpap.DPAP, list[EpochRecord]], tuple[Network, list[EpochRecord]], PruningHistory]:
    """Train the pruned network here and the control beside, each on a core of its own."""
    epochs = config.training.epochs

    def show(label: str, record: EpochRecord) -> None:
        figures = f"{record.test_accuracy:6.1%} right, {record.pruning_rate:5.1%} pruned"
        progress(f"train {label}", record.epoch, epochs, figures)

    def on_epoch(record: EpochRecord) -> None:
        pruning_history.record()
        show(PRUNED, record)
        for other in background.messages():
            show(UNPRUNED, other)

    for label in (PRUNED, UNPRUNED):
        progress(f"train {label}", 0, epochs)
    network = _build(config, train_split)
    pruner = dpap.DPAP(network, config.pruning)
    pruning_history = PruningHistory(pruner)
    history = train(network, train_split, test_split, config.training, pruner, on_epoch)
    for other in background.messages(wait=True):
        show(UNPRUNED, other)
    state, control_history = background.result()
    control = _build(config, train_split)
    control.load_state_dict({name: torch.from_numpy(values) for name, values in state.items()})
    return (network, pruner, history), (control, control_history), pruning_history


def _train_control(
    config: DemoConfig, report: Callable[[EpochRecord], None]
) -> tuple[dict[str, np.ndarray], list[EpochRecord]]:
    """Weights and history of the unpruned network, in a process of its own."""
    train_split, test_split = load_digits()
    with threads(1):
        network = _build(config, train_split)
        history = train(network, train_split, test_split, config.training, on_epoch=report)
    return {name: values.numpy() for name, values in network.state_dict().items()}, history


def _settings(config: DemoConfig, graph: Graph) -> dict[str, str]:
    return {
        "data": "scikit-learn's handwritten digits, 1347 to train and 450 to test",
        "network": config.network,
        "time steps an inference": str(config.time_steps),
        "input": f"analog, as graded spikes from 0 to {graph.input_max}, the same at every step",
        **training_settings(config.training),
        **method_named("dpap").settings(config.run()),
    }
