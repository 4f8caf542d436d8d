"""Fixtures that the tests share."""

import pytest
import torch
from hypothesis import settings

# A busy machine is no error.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def _two_threads():
    torch.set_num_threads(2)
