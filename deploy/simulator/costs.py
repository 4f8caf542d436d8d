r"""The cost model of the kernels: a linear model of their time, and the choice of the fastest.

A layer has N neurons and S sources; a block of L lanes runs T steps, of which :math:`T'` differ (one where
the input is the same at every step). With P synapses, Q weights when zeros are stored, E values other than
zero that arrive and V rows of weights of width W that they add, the times are

.. math::
    t_\text{dense} &= T' L\, Q\, d_1 + T' N\, d_2 + T N L\, d_3 \\
    t_\text{sparse} &= T' L\, P\, s_1 + T' N\, s_2 + T N L\, s_3 \\
    t_\text{event} &= T' L\, S\, e_1 + E\, e_2 + V\, e_3 + V W\, e_4 + T N' L\, e_5

with :math:`N'` the neurons and their padding. The coefficients are measured
(:mod:`deploy.simulator.calibration`), by themselves for sums of 16 and of 32 bits. The choice depends on
the model; the spikes do not, since every kernel computes the same integers.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

KernelName = Literal["dense", "sparse", "event"]

KERNELS: tuple[KernelName, ...] = ("dense", "sparse", "event")
"""In the order in which they are taken where they cost the same."""


class Work(BaseModel):
    """The work of a layer in a block: the symbols of the module.

    Attributes
    ----------
    steps, distinct_steps, lanes, neurons, padded_neurons, sources : int
        T, T', L, N, N', S.
    synapses, weights : int
        P and Q of all neurons.
    arrivals, rows : float
        E and V, of all lanes and steps.
    width : int
        W.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int
    distinct_steps: int
    lanes: int
    neurons: int
    padded_neurons: int
    sources: int
    synapses: int
    weights: int
    arrivals: float
    rows: float
    width: int

    def terms(self, kernel: KernelName) -> tuple[float, ...]:
        """The factors of a kernel's coefficients, in the order of its fields."""
        distinct = self.distinct_steps * self.lanes
        if kernel == "event":
            return (
                distinct * self.sources,
                self.arrivals,
                self.rows,
                self.rows * self.width,
                self.steps * self.lanes * self.padded_neurons,
            )
        products = self.synapses if kernel == "sparse" else self.weights
        return (
            distinct * products,
            self.distinct_steps * self.neurons,
            self.steps * self.lanes * self.neurons,
        )


_Nanoseconds = Field(ge=0, allow_inf_nan=False)


class _Costs(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def nanoseconds(self, terms: tuple[float, ...]) -> float:
        """Predicted time."""
        return sum(cost * term for cost, term in zip(self.model_dump().values(), terms, strict=True))


class LaneCosts(_Costs):
    """Nanoseconds of a kernel whose rows are lanes.

    Attributes
    ----------
    product : float
        Of a weight times the activity of one lane.
    row : float
        Of a neuron and a step, beside that.
    update : float
        Of a neuron, a step and a lane.
    """

    product: float = _Nanoseconds
    row: float = _Nanoseconds
    update: float = _Nanoseconds


class EventCosts(_Costs):
    """Nanoseconds of the event-driven kernel.

    Attributes
    ----------
    scan : float
        Of looking at one source in one lane and step.
    arrival : float
        Of a value other than zero.
    row : float
        Of beginning to add a row of weights.
    product : float
        Of a weight of the row.
    update : float
        Of a neuron, a step and a lane.
    """

    scan: float = _Nanoseconds
    arrival: float = _Nanoseconds
    row: float = _Nanoseconds
    product: float = _Nanoseconds
    update: float = _Nanoseconds


class SumCosts(BaseModel):
    """Coefficients of all kernels, for one type of sums."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dense: LaneCosts
    sparse: LaneCosts
    event: EventCosts

    def nanoseconds(self, kernel: KernelName, work: Work) -> float:
        """Predicted time of a kernel."""
        return getattr(self, kernel).nanoseconds(work.terms(kernel))


class KernelCosts(BaseModel):
    """The cost model of a machine.

    Attributes
    ----------
    source : str
        Where the coefficients come from.
    small, wide : SumCosts
        For sums of 16 and of 32 bits.
    largest_weights : int
        Weights of a layer, zeros included, beyond which only the sparse kernel is considered: the others
        would store them all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    small: SumCosts
    wide: SumCosts
    largest_weights: int = Field(1 << 25, ge=0)

    def of(self, small: bool) -> SumCosts:
        """Those for one type of sums."""
        return self.small if small else self.wide

    def cheapest(self, work: Work, *, small: bool, among: tuple[KernelName, ...] = KERNELS) -> KernelName:
        """The kernel with the least predicted time; the first of them where several have it."""
        costs = self.of(small)
        return min(among, key=lambda kernel: costs.nanoseconds(kernel, work))
