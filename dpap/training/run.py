"""A training run in a folder, which can be killed at any moment and resumed.

``last.safetensors`` is the run: all else in the folder is written before it, or follows from it. It is
replaced after every epoch, by moving a file that is whole. A run that resumes from it draws what an
uninterrupted one would have drawn, and so ends at the same weights on the same machine.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch

from dpap.checkpoint import read_checkpoint, save_checkpoint
from dpap.errors import InputError, TrainingError
from dpap.errors.renamed import old_arguments
from dpap.networks import Network
from dpap.pruning import PruningHistory
from dpap.runtime.threads import threads
from dpap.state import check_keys
from dpap.training.best import Best
from dpap.training.budget import BudgetOutcome, MakeCostFunction, budget_outcome, cost_function_for
from dpap.training.history import EpochRecord, history_csv
from dpap.training.methods import method_named
from dpap.training.placement import place
from dpap.training.processes import Processes
from dpap.training.run_config import RunConfig, differences, make_run_config
from dpap.training.run_files import RunFiles
from dpap.training.start import build_network, load_splits
from dpap.training.trainer import Trainer


@dataclass(frozen=True, eq=False)
class RunResult:
    """The result of a run.

    Attributes
    ----------
    history : list of EpochRecord
    best : Best
    pruning_rates : dict of str to float
        Of each layer after the last epoch; empty without a pruner.
    budget : BudgetOutcome or None
        Where the target is a measured budget.
    silent : tuple of int
        Classes whose output fired for no sample of the last epoch that was learned here.
    """

    history: list[EpochRecord]
    best: Best
    pruning_rates: dict[str, float]
    budget: BudgetOutcome | None = None
    silent: tuple[int, ...] = ()


class Run:
    """A run between two epochs.

    Parameters
    ----------
    config : RunConfig
        Whole.
    files : RunFiles
    processes : Processes
    make_cost_function : callable, optional
        As for :func:`run_training`.

    Raises
    ------
    InputError
        Data, network and pruner do not fit each other.
    """

    def __init__(
        self,
        config: RunConfig,
        files: RunFiles,
        processes: Processes,
        make_cost_function: MakeCostFunction | None = None,
    ):
        self.config, self.files, self.processes = config, files, processes
        self.splits = load_splits(config)
        network = build_network(config, self.splits["train"]).to(processes.device)
        cost_function = cost_function_for(config, self.splits, make_cost_function)
        pruner = method_named(config.method).pruner(network, config, cost_function)
        self.trainer = Trainer(network, config.training, pruner, processes)
        self.pruning_history = None if pruner is None else PruningHistory(pruner)
        self.best: Best | None = None

    def next_epoch(self) -> EpochRecord:
        """Learn for an epoch, and write what it came to.

        Raises
        ------
        TrainingError
            The loss, or a weight, is not finite. The folder holds the state before the epoch.
        """
        splits = self.splits
        try:
            record = self.trainer.next_epoch(splits["train"], splits.get("test"), splits.get("validation"))
        except (TrainingError, InputError) as error:
            if isinstance(error, InputError) and _finite(self.trainer.network):
                raise
            done = len(self.trainer.history)
            kept = (
                f"{self.files.last} holds the state after epoch {done}" if done else "no epoch was completed"
            )
            raise TrainingError(f"{error}; {kept}") from error
        if self.pruning_history is not None:
            self.pruning_history.record()
        pruner = self.trainer.pruner
        candidate = Best.of(record, pruner is not None and pruner.budget is not None and pruner.budget.met)
        if self.best is None or self.best.yields_to(candidate, self.config.best_within):
            self.best = candidate
        if self.processes.rank == 0:
            self._write()
        return record

    def described(self) -> str:
        """The run in one line: what is trained, and where."""
        config, processes = self.config, self.config.execution.devices * self.config.execution.nodes
        on = f"{self.processes.device}" + (f", {processes} processes" if processes > 1 else "")
        if self.processes.device.type == "cpu":
            on += f", {torch.get_num_threads()} threads"
        parts = " and ".join(f"{len(split):,} {part}" for part, split in self.splits.items())
        return (
            f"{config.method} on {on}: {config.data.name}, {parts} samples, T = {config.data.time_steps},"
            f" {config.network.notation}"
        )

    def _write(self) -> None:
        trainer = self.trainer
        if self.best.epoch == len(trainer.history):
            # Before last.safetensors: killed in between, the run does this epoch again and writes the same.
            save_checkpoint(self.files.best, trainer.network, trainer.pruner)
        save_checkpoint(self.files.last, trainer.network, trainer.pruner, self.state_dict())
        self.write_what_follows()

    def write_what_follows(self) -> None:
        """Write the files that follow from ``last.safetensors``."""
        self.files.write_history(history_csv({self.config.method: self.trainer.history}))
        if self.pruning_history is not None:
            self.pruning_history.save(self.files.pruning_history)

    def state_dict(self) -> dict[str, Any]:
        """The state of the run besides the network and the pruner: tensors and plain values."""
        return {
            "run": self.config.model_dump(mode="json"),
            "learning": self.trainer.state_dict(),
            "best": asdict(self.best),
            "development": None if self.pruning_history is None else self.pruning_history.state_dict(),
        }

    def resume(self) -> None:
        """Go on from ``last.safetensors``.

        Raises
        ------
        InputError
            It is damaged, or of another run.
        """
        path = self.files.last
        checkpoint = read_checkpoint(path)
        try:
            state = checkpoint.training
            check_keys(state, dict.fromkeys(("run", "learning", "best", "development")), "run")
            other = differences(make_run_config(state["run"]), self.config)
            if other:
                raise InputError(f"it was begun with another {', '.join(other)}; start a new run")
            self.trainer.network.load_state_dict(checkpoint.network.state_dict())
            if self.trainer.pruner is not None:
                self.trainer.pruner.load_state_dict(checkpoint.pruner)
            self.trainer.load_state_dict(state["learning"])
            if self.pruning_history is not None:
                self.pruning_history.load_state_dict(state["development"])
            done = len(self.trainer.history)
            if self.trainer.pruner is not None and self.trainer.pruner.epoch != done:
                raise InputError(
                    f"its pruner has done {self.trainer.pruner.epoch} epochs, and its history has {done}"
                )
            self.best = Best.from_state(state["best"], done)
        except (InputError, RuntimeError) as error:
            raise InputError(f"{path}: {error}") from error


@old_arguments(make_meter="make_cost_function")  # old name
def run_training(
    config: RunConfig,
    files: RunFiles,
    *,
    resume: bool = False,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    on_step: Callable[[int, int, int], None] | None = None,
    on_begin: Callable[[str], None] | None = None,
    header: str = "",
    make_cost_function: MakeCostFunction | None = None,
) -> RunResult:
    """Train as a configuration says, and keep everything in a folder.

    Parameters
    ----------
    config : RunConfig
        Whole.
    files : RunFiles
        What is there of an earlier run is replaced, unless it is resumed.
    resume : bool
        Go on from ``last.safetensors``, or from the start where there is none.
    on_epoch : callable, optional
        Is given the record of each epoch, also of those before the resumption; in the first process alone.
    on_step, on_begin : callable, optional
        Are given the epoch, its steps done and all of them after each step, and what runs where before the
        first; in the first process alone.
    header : str
        Comment for the head of ``config.yaml``.
    make_cost_function : callable, optional
        Makes what measures a budget from the budget, samples, their labels and the layers left out:
        :func:`deploy.budget_cost_function`. Needed where the target is a budget.

    Raises
    ------
    InputError
        Something in the configuration does not fit, or a file cannot be read or written.
    TrainingError
        The loss is not finite.
    """
    processes = place(config.execution)
    first = processes.rank == 0
    count = config.execution.threads
    with ExitStack() as held:
        held.enter_context(_stopping_others(processes))
        if count:
            held.enter_context(threads(count))
        run = Run(config, files, processes, make_cost_function)
        if first:
            held.enter_context(files.lock())
            files.begin(header + config.to_yaml(), keep=resume)
        processes.barrier()
        if resume and files.last.is_file():
            run.resume()
            if first:
                run.write_what_follows()
        if first:
            run.trainer.on_step = on_step
        if first and on_begin is not None:
            on_begin(run.described())
        if first and on_epoch is not None:
            for record in run.trainer.history:
                on_epoch(record)
        while not run.trainer.done:
            record = run.next_epoch()
            if first and on_epoch is not None:
                on_epoch(record)
    pruner = run.trainer.pruner
    history, budget = run.trainer.history, None
    if pruner is not None and pruner.budget is not None:
        classes = run.trainer.network.synaptic_blocks()[-1].output_shape[0]
        budget = budget_outcome(config, pruner.budget, history, classes)
    rates = {} if pruner is None else pruner.pruning_rates
    return RunResult(history, run.best, rates, budget, run.trainer.silent)


@contextmanager
def _stopping_others(processes: Processes) -> Iterator[None]:
    """End the other processes where this one fails; they would wait for it, and say so."""
    try:
        yield
    except BaseException:
        processes.stop()
        raise


def _finite(network: Network) -> bool:
    return all(bool(torch.isfinite(parameter).all()) for parameter in network.parameters())
