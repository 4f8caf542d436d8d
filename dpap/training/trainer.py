"""The trainer of a network: its state between two epochs can be saved and resumed."""

import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

from dpap.data.split import Split
from dpap.errors import InputError, PruningWarning, TrainingError
from dpap.networks import Network
from dpap.state import check_keys
from dpap.training.config import TrainingConfig
from dpap.training.epoch import SampleOrders, accuracy, batches, drawn_by, evaluate, learn_epoch
from dpap.training.history import EpochRecord, checked_history
from dpap.training.loss import loss_of
from dpap.training.optimization import make_optimizer, make_schedules
from dpap.training.optimization_state import check_optimizer_state, check_schedule_states
from dpap.training.processes import OneProcess, Processes


class Trainer:
    """Trains a network epoch by epoch, with its optimiser and its pruner.

    Parameters
    ----------
    network : Network
        Trained in place, on the device where it is.
    config : TrainingConfig
    pruner : optional
        Has ``after_batch``, ``after_epoch`` and ``pruning_rate``, as :class:`dpap.Pruner`.
    processes : Processes, optional
        Where it runs; by default in this process.

    Attributes
    ----------
    history : list of EpochRecord
        Of the epochs that are done.
    silent : tuple of int
        Classes whose output neuron fired for no sample of the last epoch, and which are never answered; empty
        before an epoch.
    on_step : callable, optional
        Is given the epoch, from 1, its steps that are done, and how many it has, after each step.
    """

    def __init__(
        self,
        network: Network,
        config: TrainingConfig,
        pruner: Any = None,
        processes: Processes | None = None,
    ):
        self.network, self.config, self.pruner = network, config, pruner
        self.processes = processes or OneProcess()
        self.optimizer = make_optimizer(network, config)
        self.schedules = make_schedules(self.optimizer, config)
        self.history: list[EpochRecord] = []
        self.silent: tuple[int, ...] = ()
        self._orders: SampleOrders | None = None
        self.on_step: Callable[[int, int, int], None] | None = None
        self._warned = False
        self._model = self.processes.wrap(network)
        self._loss_of = loss_of(network, config)

    @property
    def done(self) -> bool:
        """Whether all epochs are."""
        return len(self.history) >= self.config.epochs

    def next_epoch(
        self, train_split: Split, test_split: Split | None, validation_split: Split | None = None
    ) -> EpochRecord:
        """Learn for an epoch, prune, and measure.

        Parameters
        ----------
        train_split : Split
        test_split, validation_split : Split, optional
            The test split is only measured, never used to choose.

        Raises
        ------
        InputError
            Brief epochs do not fit the network or the samples.
        TrainingError
            The loss is not finite. The network and its optimiser are then in the middle of the epoch.
        """
        started = time.perf_counter()
        config, epoch = self.config, len(self.history) + 1
        device = next(self.network.parameters()).device
        learning_rate = self.optimizer.param_groups[0]["lr"]
        self.network.train()
        self.network.freeze_statistics(epoch > config.epochs - config.frozen_statistics)
        if self._orders is None or self._orders.samples != len(train_split):
            self._orders = SampleOrders(len(train_split), config.seed)
        order = self._orders(epoch)
        with self._brief(epoch, train_split), drawn_by(config.seed, epoch, device):
            try:
                metrics = learn_epoch(
                    self._model,
                    self.optimizer,
                    self._counted(batches(train_split, order, config.batch_size, device, epoch), len(order)),
                    self._loss_of,
                    backward=self.processes.backward,
                    clip_norm=config.clip_norm,
                    pruner=self.pruner,
                )
            except TrainingError as error:
                raise TrainingError(f"epoch {epoch}: {error}") from error
        self.silent = metrics.silent
        for schedule in self.schedules:
            schedule.step()
        self._start_cycle(epoch)
        if self.pruner is not None:
            self.pruner.after_epoch()
        self.processes.synchronize(self.network)
        budget = getattr(self.pruner, "budget", None)
        held_back = evaluate(self.network, validation_split, self._loss_of) if validation_split else None
        record = EpochRecord(
            epoch=epoch,
            loss=metrics.loss,
            train_accuracy=metrics.accuracy,
            test_accuracy=accuracy(self.network, test_split) if test_split else None,
            pruning_rate=self.pruner.pruning_rate if self.pruner is not None else 0.0,
            validation_accuracy=held_back.accuracy if held_back else None,
            learning_rate=learning_rate,
            budget=None if budget is None else budget.reading.value,
            validation_loss=held_back.loss if held_back else None,
            seconds=time.perf_counter() - started,
        )
        self._warn_of_damage(record)
        self.history.append(record)
        return record

    def _warn_of_damage(self, record: EpochRecord) -> None:
        """Say so when accuracy fell far below that of the best epoch, since which synapses were pruned."""
        if self._warned or not self.history or self.processes.rank != 0:
            return
        best = max(self.history, key=lambda one: one.train_accuracy)
        drop = best.train_accuracy - record.train_accuracy
        # What is pruned at the end of an epoch, the next one learns without.
        before = self.history[best.epoch - 2].pruning_rate if best.epoch > 1 else 0.0
        pruned = self.history[-1].pruning_rate
        if drop <= self.config.warn_drop or pruned <= before:
            return
        self._warned = True
        rates = getattr(self.pruner, "pruning_rates", {})
        most = max(rates, key=rates.get, default=None)
        where = "" if most is None else f", most in {most}, {rates[most]:.1%}"
        warnings.warn(
            f"epoch {record.epoch}: training accuracy is {record.train_accuracy:.1%}, {100 * drop:.1f} points"
            f" below that of epoch {best.epoch}, and {pruned:.1%} of the synapses are pruned{where}: pruning"
            " may be destroying the network; prune less by a smaller epsilon, set a pruning_rate"
            " as the target, or keep a floor (floor.synapse_share)",
            PruningWarning,
            stacklevel=3,
        )

    def _counted(self, training_batches: Iterator[Any], samples: int) -> Iterator[Any]:
        """The same batches; calls ``on_step`` after each step."""
        epoch, total = len(self.history) + 1, math.ceil(samples / self.config.batch_size)
        for done, batch in enumerate(training_batches, start=1):
            yield batch
            if self.on_step is not None:
                self.on_step(epoch, done, total)

    def _start_cycle(self, done: int) -> None:
        """Let the learning rate start again, if it does so after so many epochs."""
        if done in self.config.cycle_starts[1:]:
            self.schedules = make_schedules(self.optimizer, self.config, done)

    def _brief(self, epoch: int, split: Split) -> AbstractContextManager[None]:
        """Let the network run the steps that an epoch learns with."""
        steps = self.config.brief_steps(epoch)
        if steps is None:
            return nullcontext()
        usual = self.network.time_steps
        if steps > usual:
            raise InputError(f"brief epochs have {steps} time steps; expected at most the network's {usual}")
        if not split.static:
            raise InputError(
                "brief epochs need samples that are the same at every step; these are encoded over"
                f" {usual} steps: remove brief, or use direct encoding"
            )
        return self.network.running(steps)

    def state_dict(self) -> dict[str, Any]:
        """The state of the training besides the network and the pruner: tensors and plain values.

        No generator's state is among it: what is random in an epoch follows from its number.
        """
        return {
            "config": self.config.model_dump(mode="json"),
            "history": [asdict(record) for record in self.history],
            "optimizer": self.optimizer.state_dict(),
            "schedules": [schedule.state_dict() for schedule in self.schedules],
        }

    def load_state_dict(self, state: Any) -> None:
        """Restore what :meth:`state_dict` gave.

        Raises
        ------
        InputError
            It is of another training.
        """
        check_keys(state, dict.fromkeys(("config", "history", "optimizer", "schedules")), "training")
        history = checked_history(state["history"])
        try:
            # Fields that came later have their defaults in what was saved before.
            same = TrainingConfig.model_validate(state["config"]) == self.config
        except ValidationError:
            same = False
        if not same:
            raise InputError("training: the state is of another TrainingConfig; resume with that one")
        for done in range(1, len(history) + 1):
            self._start_cycle(done)
        check_optimizer_state(state["optimizer"], self.optimizer)
        check_schedule_states(state["schedules"], self.schedules)
        self.optimizer.load_state_dict(state["optimizer"])
        for schedule, saved in zip(self.schedules, state["schedules"], strict=True):
            schedule.load_state_dict(saved)
        self.history = history
