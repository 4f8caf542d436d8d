"""Quantisation after training."""

from dpap.post_training.quantize import quantize
from dpap.post_training.result import LayerQuantization, Quantization

__all__ = ["LayerQuantization", "Quantization", "quantize"]
