"""Running a module without a trace: its parameters, buffers, states, modes and random numbers stay."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def unchanged(net: nn.Module) -> Iterator[None]:
    """Within the context ``net`` may run in any mode; afterwards it is as it was.

    Restored are parameters, buffers (those that are not saved too, such as persistent neuron states), plain
    attributes (``shape`` of a neuron, ``init`` of a delay, the mode), lists and dicts among these, and
    torch's random numbers on the CPU and on the module's device. Gradients are not computed.

    Parameters
    ----------
    net : nn.Module
    """
    modules = [_Module(module) for module in net.modules()]
    tensors = [(tensor, tensor.data, tensor.data.clone()) for tensor in (*net.parameters(), *net.buffers())]
    devices = {tensor.device.index for tensor, _, _ in tensors if tensor.device.type == "cuda"}
    try:
        with torch.random.fork_rng(sorted(devices)), torch.no_grad():
            yield
    finally:
        for module in modules:
            module.restore()
        for tensor, storage, values in tensors:
            # Delays and masks are written to `data` in a forward pass.
            tensor.data = storage
            if not torch.equal(storage, values):
                # What is expanded cannot be written to, and was not.
                storage.copy_(values)


class _Module:
    """The attributes of one module as they are now."""

    def __init__(self, module: nn.Module):
        self.module = module
        self.attributes = dict(module.__dict__)
        # Parameters, buffers, submodules and hooks are in dicts of the module, so these are among them.
        self.contents = [
            (value, value.copy()) for value in self.attributes.values() if isinstance(value, (dict, list))
        ]

    def restore(self) -> None:
        self.module.__dict__.clear()
        self.module.__dict__.update(self.attributes)
        for value, content in self.contents:
            value.clear()
            (value.update if isinstance(value, dict) else value.extend)(content)
