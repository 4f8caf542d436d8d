"""Encoders: images and event recordings as the whole numbers, over time or not, that networks take."""

from typing import Annotated

from pydantic import Field

from dpap.encoders.direct import Direct
from dpap.encoders.frames import Frames
from dpap.encoders.latency import Latency
from dpap.encoders.rate import Rate
from dpap.encoders.validation import ENCODED_MAX

ImageEncoder = Direct | Rate | Latency
"""Encoders of images."""

Encoder = Annotated[Direct | Rate | Latency | Frames, Field(discriminator="kind")]
"""Any encoder, for the field of a configuration: ``kind`` says which."""

ENCODERS = {encoder.model_fields["kind"].default: encoder for encoder in (Direct, Rate, Latency, Frames)}
"""Encoders by name."""

__all__ = ["ENCODED_MAX", "ENCODERS", "Direct", "Encoder", "Frames", "ImageEncoder", "Latency", "Rate"]
