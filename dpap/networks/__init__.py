"""Networks: built from the papers' notation, or ready by name."""

from dpap.networks.builder import MAX_NEURONS, build, check_arguments
from dpap.networks.network import INPUT, Network
from dpap.networks.recipes import RECIPES, Recipe, named

__all__ = ["INPUT", "MAX_NEURONS", "RECIPES", "Network", "Recipe", "build", "check_arguments", "named"]
