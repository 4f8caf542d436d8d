"""Layers and networks that a test makes by hand, activity included."""

import torch

from dpap.networks import Network


class HandmadeLayer:
    """A layer whose weights are given, and whose activity is shown to its observers by :meth:`show`."""

    input_divisor = 1

    def __init__(self, name, weight, kind="dense", **attributes):
        self.name, self.kind = name, kind
        self.weight = torch.as_tensor(weight, dtype=torch.float32)
        kernel = (1,) * (self.weight.dim() - 2)
        self.mask = torch.ones(*self.weight.shape[:2], *kernel)
        self.observers = []
        for attribute, value in attributes.items():
            setattr(self, attribute, value)

    def watch(self, observer):
        self.observers.append(observer)
        return lambda: self.observers.remove(observer)

    def watch_gradient(self, observer, wanted):
        return lambda: None

    def show(self, inputs, activity):
        for observer in self.observers:
            observer(
                torch.as_tensor(inputs, dtype=torch.float32), torch.as_tensor(activity, dtype=torch.float32)
            )


class HandmadeNetwork(Network):
    """A network of such layers; ``questions`` are the methods that other networks answer."""

    def __init__(self, *layers, **questions):
        torch.nn.Module.__init__(self)
        self.handmade = layers
        for name, answer in questions.items():
            setattr(self, name, answer)

    def synaptic_blocks(self):
        return list(self.handmade)

    def sources_of(self, name):
        names = [layer.name for layer in self.handmade]
        index = names.index(name)
        return (names[index - 1],) if index else ("input",)


def chain(*sizes, **attributes):
    """Dense layers ``fc1``, ``fc2``, ... of these sizes; weights of ones."""
    layers = [
        HandmadeLayer(f"fc{index + 1}", torch.ones(sizes[index + 1], sizes[index]), **attributes)
        for index in range(len(sizes) - 1)
    ]
    return HandmadeNetwork(*layers)


def steps(*rows):
    """Activity of one sample from rows of steps: ``(T, 1, F)``."""
    return torch.tensor(rows, dtype=torch.float32).unsqueeze(1)
