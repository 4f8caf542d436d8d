"""The folder of a training run, read again to be deployed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.workflow.deployment import TrainedNetwork
from dpap.checkpoint import read_checkpoint
from dpap.data import Split, load
from dpap.errors import InputError
from dpap.networks import Network
from dpap.pruning import RecordedPruningHistory, alive_masks, read_pruning_history
from dpap.training import EpochRecord, read_history
from dpap.training.methods import method_named
from dpap.training.run_config import RunConfig, make_run_config, read_run_config
from dpap.training.run_files import CONTROL, RunFiles
from dpap.training.start import first_samples


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """The results of a run of ``dpap train``, or of the demonstration.

    Attributes
    ----------
    folder : Path
    config : RunConfig
    network : Network
        Of the best epoch.
    epoch : int or None
        That epoch, from 1; None where no pruner counted it.
    history : sequence of EpochRecord
    pruning_history : RecordedPruningHistory or None
        None for a run that pruned nothing.
    """

    folder: Path
    config: RunConfig
    network: Network
    epoch: int | None
    history: Sequence[EpochRecord]
    pruning_history: RecordedPruningHistory | None

    @property
    def label(self) -> str:
        """The method, as it is named to a reader."""
        return method_named(self.config.method).label

    def trained(self, name: str | None = None, label: str | None = None) -> TrainedNetwork:
        """The network, to be deployed; by default under the method's name and label."""
        # SD-SNN leaves synapses from pruned neurons open, as long as those may come back.
        masks = alive_masks(self.network) if method_named(self.config.method).regrows else None
        return TrainedNetwork(
            name or self.config.method, label or self.label, self.network, self.history, masks
        )

    def test_split(self, test_range: tuple[int, int] | None = None) -> Split:
        """The test part of its data, encoded as the network learned it: the whole, or samples of a range.

        Raises
        ------
        DataError
            A file of the data set is missing or damaged.
        """
        return run_split(self.config, "test", test_range=test_range)


def run_split(
    config: RunConfig, part: str, *, test_range: tuple[int, int] | None = None, subset: bool = False
) -> Split:
    """The ``train`` or ``test`` part of a run's data, encoded as the network learned it.

    Parameters
    ----------
    config : RunConfig
    part : str
    test_range : (int, int), optional
        Samples of the test part.
    subset : bool
        Accept fewer samples than the data set has, also where the run did not.

    Raises
    ------
    DataError
        A file of the data set is missing or damaged.
    """
    data = config.data
    (split,) = load(
        data.name,
        part,
        time_steps=data.time_steps,
        encoder=data.encoder,
        seed=config.training.seed,
        download=data.download,
        subset=data.subset or subset,
        test_range=test_range,
    )
    return first_samples(split, data.samples)


def read_trained_run(folder: str | Path) -> TrainedRun:
    """Read a run's configuration, best checkpoint, history and pruning history.

    Raises
    ------
    InputError
        The folder holds no run, or a file of it is missing, damaged or of another run; it is named.
    """
    files = RunFiles(folder)
    if not files.config.is_file():
        raise InputError(
            f"{folder} holds no run of dpap train or dpap demo: there is no config.yaml; name a run's folder"
        )
    config = make_run_config(read_run_config(files.config), where=str(files.config))
    if not files.best.is_file():
        files.check_version()
        raise InputError(f"{files.best}: no such file; {_remedy(files)}")
    checkpoint = read_checkpoint(files.best)
    network = checkpoint.network
    described = config.network.notation, config.data.time_steps
    if (network.notation, network.time_steps) != described:
        raise InputError(
            f"{files.best}: is of the network {network.notation} with T = {network.time_steps};"
            f" config.yaml names {described[0]} with T = {described[1]}"
        )
    histories = read_history(files.history)
    # The demonstration's history has its control's epochs too.
    if config.method not in histories or set(histories) - {config.method, CONTROL}:
        raise InputError(
            f"{files.history}: holds the epochs of {', '.join(histories) or 'nothing'}; expected those of"
            f" {config.method}"
        )
    pruning_history = None
    if method_named(config.method).prunes:
        pruning_history = read_pruning_history(files.pruning_history)
        _check_pruning_history(files, pruning_history, network, len(histories[config.method]))
    epoch = checkpoint.pruner.get("epoch") if isinstance(checkpoint.pruner, dict) else None
    return TrainedRun(Path(folder), config, network, epoch, histories[config.method], pruning_history)


def _remedy(files: RunFiles) -> str:
    """Advice where the best checkpoint is missing."""
    if files.last.is_file():
        return f"copy {files.last.name} to {files.best.name} to deploy the last epoch"
    return (
        f"train the run again: dpap train --config {files.config} --overwrite --out {files.folder}, which"
        " replaces what is there"
    )


def _check_pruning_history(
    files: RunFiles, pruning_history: RecordedPruningHistory, network: Network, epochs: int
) -> None:
    names = [block.name for block in network.synaptic_blocks()]
    if set(pruning_history.layers) - set(names):
        raise InputError(
            f"{files.pruning_history}: is of the layers {', '.join(pruning_history.layers)}; the network has"
            f" {', '.join(names)}"
        )
    if pruning_history.epochs != epochs:
        raise InputError(
            f"{files.pruning_history}: is of {pruning_history.epochs} epochs;"
            f" {files.history.name} has {epochs}"
        )
