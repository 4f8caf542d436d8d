import io

import numpy as np
import pytest
import torch
from rich.console import Console

import dpap
from dpap.data import load_digits
from dpap.training import EpochRecord, TrainingConfig, train
from dpap.training.progress import TrainingProgress


def record(epoch, seconds):
    return EpochRecord(epoch, 0.5, 0.9, 0.8, 0.25, seconds=seconds)


def shown(console_options, show, **options):
    written = io.StringIO()
    console = Console(file=written, width=200, **console_options)
    with TrainingProgress("train dpap", 4, console=console, **options) as progress:
        show(progress)
    return written.getvalue()


def test_off_a_terminal_one_line_an_epoch_with_the_time_left():
    def show(progress):
        progress.begin("dpap on cpu [/red]")
        progress.step(1, 3, 10)
        progress.epoch(record(1, 60.0))
        progress.epoch(record(2, 120.0))
        progress.epoch(record(4, 60.0))

    # The mean of 60 and 120 s for each of two epochs more: 180 s.
    assert shown({}, show).splitlines() == [
        "dpap on cpu [/red]",
        "epoch 1 of 4: loss 0.5000,  80.0% of test right, 25.0% pruned, about 0:03:00 left",
        "epoch 2 of 4: loss 0.5000,  80.0% of test right, 25.0% pruned, about 0:03:00 left",
        "epoch 4 of 4: loss 0.5000,  80.0% of test right, 25.0% pruned",
    ]
    assert shown({}, show, quiet=True) == ""


def test_on_a_terminal_steps_within_the_epoch():
    text = shown({"force_terminal": True}, lambda progress: progress.step(2, 3, 10))
    assert "epoch 2 of 4, step 3 of 10" in text


@pytest.mark.parametrize("progress", [False, True])
def test_training_in_python_shows_it_when_asked(capsys, progress):
    train_split, _ = load_digits()
    torch.manual_seed(0)
    network = dpap.networks.build("4C3-AP2-10FC", (1, 8, 8), 2, input_max=16)
    part = train_split.part(np.arange(32))
    train(network, part, None, TrainingConfig(epochs=2), progress=progress)
    lines = capsys.readouterr().err.splitlines()
    assert len([line for line in lines if line.startswith("epoch ")]) == (2 if progress else 0)
