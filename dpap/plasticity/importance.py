"""The interface of criteria of importance: BCM, STDP, Hebb, magnitude and random."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

import torch

from dpap.errors import InputError
from dpap.errors.known_names import suggestion
from dpap.plasticity.spines import spine_plasticity, unit_spine_plasticity
from dpap.plasticity.traces import spiking_trace
from dpap.runtime.reduction import ranks, sum_over_ranks
from dpap.state import Shape, checked_state


class Constants(Protocol):
    """The constants that criteria read; :class:`dpap.DPAPConfig` documents them."""

    trace_decay: float
    trace_per_step: bool
    threshold: str
    threshold_includes_batch: bool
    reset_each_epoch: bool
    spines: str
    seed: int


class Synapses(Protocol):
    """The synapses of a layer; :class:`dpap.pruning.Prunable` documents them."""

    name: str

    @property
    def weight(self) -> torch.Tensor:
        """Weights ``(post, pre / groups, ...)``."""


class Importance(ABC):
    """How important the synapses and neurons of one layer are, gathered over an epoch.

    One object a layer. A subclass gives :meth:`synapses` and :meth:`neurons`; one that looks at activity
    keeps ``observes = True`` and gives :meth:`gather`. Register it with :func:`criterion` to have it by name.

    Parameters
    ----------
    block : Synapses
        The layer.
    constants : Constants
        Those of the pruner.

    Attributes
    ----------
    observes : bool
        Whether forward passes in training are observed at all.
    post, pre, groups : int
        Neurons (channels in a convolution), presynaptic ones of each, and groups.
    """

    observes = True

    def __init__(self, block: Synapses, constants: Constants):
        self.block, self.constants = block, constants
        self.post, self.pre = block.weight.shape[:2]
        self.groups = getattr(block, "groups", 1)
        self.device = block.weight.device

    def summarize(self, activity: torch.Tensor, steps: int) -> torch.Tensor:
        """The summary of one forward pass, samples first; here the final traces (eq. 5, 6), ``(N, F)``.

        Parameters
        ----------
        activity : Tensor of shape (T or 1, N, F) or (T or 1, N, C, H, W)
        steps : int
            T.
        """
        trace = spiking_trace(activity, steps, self.constants.trace_decay)
        return trace / steps if self.constants.trace_per_step else trace

    def gather(self, pre: torch.Tensor, post: torch.Tensor) -> None:  # noqa: B027 (not all look at activity)
        """Take in a batch: what :meth:`summarize` made of the inputs (real units) and of the activity."""

    def reduce(self) -> None:  # noqa: B027 (not all gather)
        """Add up what the processes that share the batches gathered (:mod:`dpap.runtime.reduction`).

        Called at the end of an epoch, before :meth:`synapses` and :meth:`neurons`.
        """

    @abstractmethod
    def synapses(self) -> torch.Tensor:
        """Importance of the synapses over the epoch, ``(post, pre / groups)``; larger is more important."""

    @abstractmethod
    def neurons(self) -> torch.Tensor:
        """Importance of the neurons over the epoch, ``(post,)``."""

    def new_epoch(self) -> None:  # noqa: B027 (not all gather)
        """Start a new sum."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors and numbers that are needed to go on from here."""
        return {}

    def load_state_dict(self, state: Any, where: str) -> None:
        """Restore what :meth:`state_dict` gave; ``where`` names the layer in errors."""
        checked_state(state, {}, where)


class TracePlasticity(Importance):
    """Plasticity of pairs of traces, summed over an epoch, and dendritic spines over it (eq. 10, 11).

    A subclass gives :meth:`gather`, which adds to ``total`` and calls :meth:`add_traces`.

    Attributes
    ----------
    total : Tensor of shape (post, pre / groups)
        Plasticity of the epoch so far.
    trace_sum : Tensor of shape (post,)
        Postsynaptic traces summed over the epoch so far.
    """

    def __init__(self, block: Synapses, constants: Constants):
        super().__init__(block, constants)
        self.total = torch.zeros(self.post, self.pre, device=self.device)
        self.trace_sum = torch.zeros(self.post, device=self.device)
        self._before: tuple[torch.Tensor, ...] | None = None

    def add_traces(self, post: torch.Tensor) -> None:
        """Add the final traces ``(N, post)`` of a batch."""
        self.trace_sum += post.sum(0)

    def reduce(self) -> None:
        """Add up the sums of all processes."""
        sums = self.total, self.trace_sum
        # Sums that are not reset hold what all processes gathered in earlier epochs.
        for index, gathered in enumerate(sums):
            if self._before is not None:
                gathered -= self._before[index]
            sum_over_ranks(gathered)
            if self._before is not None:
                gathered += self._before[index]

    def synapses(self) -> torch.Tensor:
        """The plasticity itself."""
        return self.total

    def neurons(self) -> torch.Tensor:
        """Dendritic spine plasticity, in the form that the constants ask for."""
        form = spine_plasticity if self.constants.spines == "product" else unit_spine_plasticity
        return form(self.trace_sum, self.total)

    def new_epoch(self) -> None:
        """Start from zero, unless the constants ask for sums over all epochs."""
        if self.constants.reset_each_epoch:
            self.total.zero_()
            self.trace_sum.zero_()
        self._remember()

    def _remember(self) -> None:
        if ranks() > 1:
            self._before = self.total.clone(), self.trace_sum.clone()

    def state_dict(self) -> dict[str, Any]:
        """The two sums."""
        return {"plasticity": self.total, "trace_sum": self.trace_sum}

    def load_state_dict(self, state: Any, where: str) -> None:
        """Restore the sums."""
        self._take(checked_state(state, self._shapes(), where))

    def _shapes(self) -> dict[str, Shape | None]:
        return {"plasticity": (self.post, self.pre), "trace_sum": (self.post,)}

    def _take(self, state: dict[str, Any]) -> None:
        self.total.copy_(state["plasticity"])
        self.trace_sum.copy_(state["trace_sum"])
        self._remember()


_CRITERIA: dict[str, type[Importance]] = {}


def criterion(name: str) -> Callable[[type[Importance]], type[Importance]]:
    """Class decorator that registers a measure of importance under a name for ``DPAPConfig(importance=...)``.

    Raises
    ------
    InputError
        The name is taken by another class.
    """

    def register(measure: type[Importance]) -> type[Importance]:
        known = _CRITERIA.get(name)
        if known is not None and known.__qualname__ != measure.__qualname__:
            raise InputError(f"the criterion {name!r} is {known.__name__} already; choose another name")
        _CRITERIA[name] = measure
        return measure

    return register


def criteria() -> tuple[str, ...]:
    """Names of the registered criteria."""
    return tuple(_CRITERIA)


def find_criterion(name: str) -> type[Importance]:
    """The class of a registered criterion.

    Raises
    ------
    InputError
        There is none of this name.
    """
    if name not in _CRITERIA:
        known = ", ".join(sorted(_CRITERIA))
        raise InputError(f"no criterion is called {name!r}; there are {known}{suggestion(name, _CRITERIA)}")
    return _CRITERIA[name]
