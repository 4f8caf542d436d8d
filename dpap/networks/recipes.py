"""The papers' networks, ready by name.

Source: Han et al. 2024, sections 2.2 and 2.4. The paper names neither the number of time steps, nor the size
of DVS-Gesture's frames, nor the neurons of its network of two fully connected layers. Frames of 48 x 48 and
the 8 steps of CIFAR-10 are the authors' code's; the rest is our choice, and so are the 64 levels of an analog
input, and the 256 of a network of rectified linear units.

Those networks have one step: to an image that stays the same they answer at once. The paper does not say
whether the convolutions of the one for MNIST are padded. Here they are not: with its numbers of channels
and neurons, and without padding, it is the LeNet that comes with Caffe. Both have biases, as the paper's eq.
18 and 19.
"""

from dataclasses import dataclass

from dpap.errors import NetworkError
from dpap.errors.known_names import suggestion
from dpap.networks.builder import build
from dpap.networks.network import Network
from dpap.neurons import Neuron, ReLU

_SPIKING = "15C3-AP2-40C3-AP2-Flatten-300FC-{classes}FC"


@dataclass(frozen=True)
class Recipe:
    """The description of a network; the arguments of :func:`dpap.networks.build`."""

    notation: str
    input_shape: tuple[int, ...]
    time_steps: int
    input_max: int = 1
    neuron: Neuron | None = None
    bias: bool = False


RECIPES = {
    "mnist": Recipe(_SPIKING.format(classes=10), (1, 28, 28), 8, 63),
    "mnist-2fc": Recipe("800FC-10FC", (1, 28, 28), 8, 63),
    "nmnist": Recipe(_SPIKING.format(classes=10), (2, 34, 34), 10),
    "dvs-gesture": Recipe(_SPIKING.format(classes=11), (2, 48, 48), 10),
    "cifar10": Recipe(
        "128C3-BN-128C3-BN-MaxPool2-256C3-BN-256C3-BN-MaxPool2-512C3-BN-512C3-BN-Flatten-512FC-10FC",
        (3, 32, 32),
        8,
        63,
    ),
    "mnist-dnn": Recipe(
        "20C5p0-MaxPool2-50C5p0-MaxPool2-Flatten-500FC-10FC", (1, 28, 28), 1, 255, ReLU(), bias=True
    ),
    "cifar10-dnn": Recipe("VGG16-10FC", (3, 32, 32), 1, 255, ReLU(), bias=True),
}
"""The papers' networks by the name of their data set; ``-dnn`` are those of rectified linear units."""


def named(name: str, **options) -> Network:
    """Build one of the papers' networks.

    Parameters
    ----------
    name : str
        One of :data:`RECIPES`.
    options
        Arguments of :func:`dpap.networks.build` to be used in place of the recipe's.

    Raises
    ------
    NetworkError
        There is no such network.
    """
    if name not in RECIPES:
        raise NetworkError(
            f"there is no network {name!r}; there are {', '.join(RECIPES)}{suggestion(name, RECIPES)}"
        )
    return build(**{**vars(RECIPES[name]), **options})
