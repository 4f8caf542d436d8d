"""Simulators that are not ours, and run NIR files: snnTorch and Norse, both by way of NIRTorch."""

import contextlib
import io
import warnings

import numpy as np
import pytest
import torch

import deploy

nir = pytest.importorskip("nir", reason="NIR files need the package nir (the extra dpap[nir])")


def in_snntorch(path, layers, inputs):
    """Spikes of the nodes named ``layers``, each ``(samples, steps, ...)``, as snnTorch runs the file."""
    module = pytest.importorskip("snntorch.import_nir", reason="snnTorch, a reference, is not installed")
    # It says on standard output that it scales thresholds.
    with contextlib.redirect_stdout(io.StringIO()):
        return _run(lambda: module.import_from_nir(nir.read(path)), layers, inputs)


def in_norse(path, layers, inputs, dt):
    """The same by Norse, in steps of ``dt`` seconds."""
    norse = pytest.importorskip("norse.torch", reason="Norse, a reference, is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _run(lambda: norse.from_nir(nir.read(path), dt=dt), layers, inputs)


def in_nirtorch(path, layers, inputs, dt, **modules):
    """The same by NIRTorch's executor, with snnTorch's neurons and a module of the test for other nodes."""
    nirtorch = pytest.importorskip("nirtorch", reason="NIRTorch, a reference, is not installed")
    convert = pytest.importorskip("snntorch.import_nir")._nir_to_snntorch_module
    kinds = {nir.LIF: lambda node: convert(node, init_hidden=True)}
    kinds |= {getattr(nir, name): (lambda node, make=make: make(node, dt)) for name, make in modules.items()}
    with contextlib.redirect_stdout(io.StringIO()):
        return _run(lambda: nirtorch.nir_to_torch(nir.read(path), kinds), layers, inputs)


@torch.no_grad()
def _run(make, layers, inputs):
    spikes = {name: np.zeros(inputs.shape[:2], object) for name in layers}
    for sample, frames in enumerate(inputs):
        # A network of its own for each sample: states start at zero. NIR's shapes have no batch.
        network, state = make(), None
        received = {}
        for name in layers:
            network.get_submodule(name).register_forward_hook(_recorder(received, name))
        for step, frame in enumerate(frames):
            _, state = network(torch.from_numpy(frame.astype(np.float32)), state)
            for name in layers:
                spikes[name][sample, step] = received[name]
    return {name: np.stack([np.stack(list(row)) for row in rows]) for name, rows in spikes.items()}


def _recorder(received, name):
    def record(_module, _inputs, output):
        activity = output[0] if isinstance(output, tuple) else output
        received[name] = activity.detach().numpy().copy()

    return record


class Delay(torch.nn.Module):
    """NIR's ``y(t) = x(t - delay)``, which neither simulator has."""

    def __init__(self, node, dt):
        super().__init__()
        self.steps = torch.from_numpy(np.asarray(node.delay) / dt).round().long()

    def forward(self, inputs, state=None):
        past = [inputs] if state is None else [inputs, *state]
        delayed = torch.zeros_like(inputs)
        for steps, activity in enumerate(past):
            delayed += activity * (self.steps == steps)
        return delayed, past


class CubaLIF(torch.nn.Module):
    """NIR's equations by forward Euler, with the ``v_leak`` that snnTorch refuses."""

    def __init__(self, node, dt):
        super().__init__()
        self.node, self.dt = node, dt

    def forward(self, inputs, state=None):
        node, dt = self.node, self.dt
        current, voltage = (0.0, 0.0) if state is None else state
        current = current + dt / node.tau_syn * (node.w_in * inputs.double().numpy() - current)
        voltage = voltage + dt / node.tau_mem * (node.v_leak - voltage + node.r * current)
        spikes = voltage > node.v_threshold
        return torch.from_numpy(spikes).float(), (current, np.where(spikes, node.v_reset, voltage))


def compiled_spikes(network, inputs):
    """Of the compiled graph, which are those of the network."""
    graph = deploy.compile(network)
    assert deploy.verify(graph, network, inputs, backends=("fast",)).mismatches == 0
    return deploy.run(graph, inputs).output
