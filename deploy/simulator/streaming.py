"""One sample, one step at a time, with all states kept: for closed loops and studies at the edge."""

import time
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from deploy.inputs import validate_step
from deploy.ir import INPUT, Graph
from deploy.simulator import events
from deploy.simulator.compilation import Compiling, compile_kernels, step_calls
from deploy.simulator.latency import StepLatency, StepTimes
from deploy.simulator.plan import LayerPlan, Synapses, plan
from deploy.simulator.populations import POPULATIONS
from deploy.simulator.sigma_delta import MaximumPlan, UnitPlan, plan_messages
from dpap.errors import InputError
from dpap.neurons.currents import OnOverflow, check_on_overflow


@dataclass(eq=False)
class _Stream:
    """Synapses from one source, by source, and what that sent in the last steps."""

    synapses: Synapses
    by_source: tuple[np.ndarray, ...]
    sent: deque = field(default_factory=deque)

    def reset(self) -> None:
        delays = self.synapses.delays
        longest = 0 if delays is None else int(delays.max(initial=0))
        size = int(np.prod(self.synapses.shape))
        self.sent = deque([np.zeros(size, np.int32)] * (longest + 1), maxlen=longest + 1)

    def arriving(self) -> np.ndarray:
        """What arrives now of what was sent; the last entry is of this step."""
        delays = self.synapses.delays
        if delays is None:
            return self.sent[-1]
        history = np.stack(self.sent)
        return history[len(history) - 1 - delays, np.arange(history.shape[1])]


class Simulator:
    """A graph that runs step by step, bit for bit as :func:`deploy.run` does.

    Work is done where spikes arrive, so the time of a step follows its synaptic operations.

    Parameters
    ----------
    graph : Graph
    reset_every : int, optional
        Steps after which all states are set to rest; by default only :meth:`reset` does that.
    compiling : callable, optional
        Is given the name of the kernel that is compiled now, how many are done, and how many there are. All
        are compiled, or loaded, before the first step.
    timed_steps : int
        Steps whose times are kept for :attr:`latency`.
    on_overflow : str
        ``raise``, or ``wrap`` to run on as Lava does where a current leaves its 24 bits. Messages of
        sigma-delta units have no meaning then, so that these always raise.

    Attributes
    ----------
    steps : int
        Steps since the last reset.
    spikes : dict of str to array
        What each layer sent in the last step, of its ``kept_shape``: spikes, uint8, or messages of
        sigma-delta units, int32.

    Raises
    ------
    InputError
        ``reset_every`` or ``timed_steps`` is less than 1, or ``on_overflow`` does not exist.
    """

    def __init__(
        self,
        graph: Graph,
        reset_every: int | None = None,
        compiling: Compiling | None = None,
        timed_steps: int = 1 << 16,
        on_overflow: OnOverflow = "raise",
    ):
        check_on_overflow(on_overflow)
        for name, steps in (("reset_every", reset_every), ("timed_steps", timed_steps)):
            if steps is not None and steps < 1:
                raise InputError(f"{name} is {steps}; expected 1 step or more")
        self.graph, self.reset_every, self.on_overflow = graph, reset_every, on_overflow
        self._layers = plan_messages(graph) if graph.sigma_delta else plan(graph)
        self._populations = {layer.name: POPULATIONS[type(layer)](layer) for layer in self._layers}
        summing = [layer for layer in self._layers if not isinstance(layer, MaximumPlan)]
        self._streams = {layer.name: _streams(layer) for layer in summing}
        self._sums = {
            layer.name: np.zeros(layer.neurons, self._populations[layer.name].sum_type) for layer in summing
        }
        self._times = StepTimes(timed_steps)
        if not graph.sigma_delta:
            by_source = {
                name: [stream.by_source for stream in streams] for name, streams in self._streams.items()
            }
            compile_kernels(step_calls(self._layers, by_source), compiling)
        self.reset()

    def reset(self) -> None:
        """Set all states to rest, and forget what was sent."""
        self.steps = 0
        for population in self._populations.values():
            population.reset()
        kind = np.int32 if self.graph.sigma_delta else np.uint8
        self._fired = {layer.name: np.zeros(layer.neurons, kind) for layer in self._layers}
        self._known_input = np.zeros(int(np.prod(self.graph.input_shape)), np.int32)
        for streams in self._streams.values():
            for stream in streams:
                stream.reset()

    @property
    def latency(self) -> StepLatency:
        """Median, 99th percentile and longest time of the last steps, in seconds.

        A step's time is that of :meth:`step` as a whole. Resets of the states leave it alone.
        """
        return self._times.latency()

    def reset_latency(self) -> None:
        """Forget the times of all steps so far."""
        self._times.clear()

    @property
    def spikes(self) -> dict[str, np.ndarray]:
        """What each layer sent in the last step, of its ``kept_shape``."""
        return {layer.name: self._fired[layer.name].reshape(layer.kept_shape) for layer in self.graph.layers}

    def step(self, inputs: np.ndarray) -> np.ndarray:
        """Run one step.

        Parameters
        ----------
        inputs : array of shape ``graph.input_shape``
            Whole numbers from 0 to ``graph.input_max``.

        Returns
        -------
        array of shape (classes,)
            Spikes of the output, uint8, or messages of sigma-delta units, int32.

        Raises
        ------
        InputError
            The inputs do not fit.
        ActivationOverflow
            A current leaves its 24 bits; of sigma-delta units an activation its 32, or a message 24. The
            states are then those of the middle of a step: :meth:`reset` before going on.
        """
        started = time.perf_counter()
        arrived = validate_step(self.graph, inputs)
        if self.reset_every is not None and self.steps == self.reset_every:
            self.reset()
        activity = {INPUT: self._sent_input(arrived.ravel())}
        for layer in self._layers:
            population = self._populations[layer.name]
            if isinstance(layer, MaximumPlan):
                sent = population.step(activity[layer.source])
            else:
                sent, left = population.step(self._summed(layer.name, activity))
                if left and not (self.on_overflow == "wrap" and population.can_wrap):
                    raise population.overflow(self.graph[layer.name], self.steps)
            self._fired[layer.name] = sent
            activity[layer.name] = sent.astype(np.int32)
            for stream in self._streams.get(layer.name, ()):
                if stream.synapses.source == layer.name:
                    stream.sent.append(activity[layer.name])
        self.steps += 1
        output = self.graph.output.expand(self._fired[self.graph.output.name])
        self._times.add(time.perf_counter() - started)
        return output

    def _sent_input(self, inputs: np.ndarray) -> np.ndarray:
        """What the input sends now, int32."""
        if self.graph.encoder is None:
            return inputs.astype(np.int32)
        sent, self._known_input = self.graph.encoder.step(inputs, self._known_input)
        return sent

    def _summed(self, name: str, activity: dict[str, np.ndarray]) -> np.ndarray:
        """Synaptic sums of a layer in this step."""
        sums = self._sums[name]
        for stream in self._streams[name]:
            if stream.synapses.source != name:
                stream.sent.append(activity[stream.synapses.source])
            _scatter(stream, sums)
        return sums


def _streams(layer: LayerPlan | UnitPlan) -> list[_Stream]:
    streams = [_Stream(synapses, _by_source(synapses, layer.neurons)) for synapses in layer.inputs]
    if isinstance(layer, LayerPlan) and layer.recurrent is not None:
        # What the layer sends is appended after it has fired, so that the last entry is one step old.
        streams.append(_Stream(layer.recurrent, _by_source(layer.recurrent, layer.neurons)))
    return streams


def _by_source(synapses: Synapses, neurons: int) -> tuple[np.ndarray, ...]:
    """Where each source's synapses (each channel's taps) begin, and these."""
    if synapses.stride is None:
        indices, data = synapses.entries
        shape = (neurons, int(np.prod(synapses.pooled)))
        columns = sparse.csr_matrix((data, indices, synapses.indptr), shape=shape).tocsc()
        return columns.indptr.astype(np.int64), columns.indices, columns.data
    (taps,) = synapses.entries
    target = np.repeat(np.arange(len(synapses.indptr) - 1), np.diff(synapses.indptr))
    order = np.argsort(taps[:, 0], kind="stable")
    turned = np.concatenate([target[order, None], taps[order, 1:]], axis=1).astype(np.int32)
    counts = np.bincount(taps[:, 0], minlength=synapses.shape[0])
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), turned


def _scatter(stream: _Stream, sums: np.ndarray) -> None:
    synapses, arriving = stream.synapses, stream.arriving()
    if synapses.pool > 1:
        channels, height, width = synapses.shape
        rows, columns, pool = height // synapses.pool, width // synapses.pool, synapses.pool
        windows = arriving.reshape(channels, height, width)[:, : rows * pool, : columns * pool]
        arriving = windows.reshape(channels, rows, pool, columns, pool).sum((2, 4), dtype=sums.dtype).ravel()
    if synapses.stride is None:
        events.scatter_matrix(arriving, *stream.by_source, sums)
    else:
        shape = synapses.pooled[1:]
        events.scatter_convolution(arriving, shape, *stream.by_source, synapses.stride, synapses.extent, sums)
