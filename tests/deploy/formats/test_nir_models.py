"""Networks that others published as NIR, where there are copies (``DPAP_DATA``)."""

import os
import warnings
from pathlib import Path

import pytest
from nir_references import nir  # noqa: F401 - skips where the package is missing

import deploy
from dpap import ConversionWarning

MODELS = Path(os.environ.get("DPAP_DATA", "")) / "models" / "nir"


@pytest.mark.skipif(not (MODELS / "cnn_sinabs.nir").is_file(), reason="no models/nir in DPAP_DATA")
def test_the_network_of_sinabs_of_the_nir_paper():
    # Integrate-and-fire with r = 1, in no need of a dt; sinabs resets by subtraction, which the file lacks.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        network = deploy.from_nir(MODELS / "cnn_sinabs.nir", time_steps=60, input_max=5)
    (said,) = [str(warning.message) for warning in caught if warning.category is ConversionWarning]
    assert "cnn_sinabs.nir: nothing says whether the neurons 1, 3, 6, 10 and 1 more reset to zero" in said
    assert network.input_shape == (2, 34, 34)
    assert [block.output_shape[0] for block in network.synaptic_blocks()] == [16, 16, 8, 256, 10]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        deploy.from_nir(MODELS / "cnn_sinabs.nir", time_steps=60, input_max=5, reset="zero")
