"""The snippets of README and of the pages run in order, as printed, in one process and a folder of their own.

Only what a snippet takes for granted is prepared before it, and trainings are shortened from outside.
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

README = ROOT / "README.md"

PAGES = [
    README,
    *(
        ROOT / "docs" / f"{page}.md"
        for page in (
            "tutorials/first-network",
            "guides/networks",
            "guides/streaming",
            "guides/lava-dl",
            "guides/data",
            "guides/budgets",
            "guides/formats",
        )
    ),
]
"""In the order in which a reader comes to them; each may go on from those before."""

SHORTENED = """
import functools, sys
import dpap.data, dpap.data.loading, dpap.training, dpap.training.loop
import torch
torch.set_num_threads(1)
_train = dpap.training.train
def _brief(network, train_split, test_split, config, *more):
    return _train(network, train_split, test_split, config.model_copy(update={"epochs": 1}), *more)
dpap.training.train = _brief
dpap.data.load = functools.partial(dpap.data.load, subset=True)
"""
"""Before the first: one epoch, and what there is of a data set."""

GIVEN = {
    "dpap.from_slayer(stock": """
import lava.lib.dl.slayer as slayer
neuron = {"threshold": 1.25, "current_decay": 0.25, "voltage_decay": 0.03}
stock = torch.nn.Sequential(
    slayer.block.cuba.Flatten(),
    slayer.block.cuba.Dense(neuron, 2 * 34 * 34, 32),
    slayer.block.cuba.Dense(neuron, 32, 10),
)
""",
    "dpap.calibrate(net, calibration_inputs": """
calibration_inputs = train_split.part(range(32))
""",
    "net(images)": """
images, labels = torch.zeros(2, 1, 28, 28), torch.tensor([0, 1])
""",
    "sanafe.load_arch": "import sanafe\n",
    "deploy.budget_cost_function": """
net = dpap.networks.build("4C3-AP2-10FC", validation.input_shape, 8, input_max=validation.input_max)
""",
    "theirs.nir": """
deploy.export(graph, "theirs.nir")
train_split, _ = load_digits()
""",
}
"""What a snippet takes for granted, by words of it."""

NEEDS = {
    'load("mnist"': lambda: "DPAP_DATA" in os.environ,
    "deploy.budget_cost_function": lambda: "DPAP_DATA" in os.environ,
    "sanafe.load_arch": lambda: importlib.util.find_spec("sanafe") is not None,
}
"""What a snippet needs that not every machine has."""


def snippets(page):
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_every_page_with_a_snippet_is_run():
    # That of a criterion and a pruner has a test of its own, tests/dpap/test_pruner.py.
    assert {page for page in ROOT.glob("docs/**/*.md") if snippets(page)} == set(PAGES) - {README}
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150


def program(parts):
    """All snippets with what each takes for granted, and a mark after each."""
    lines = [SHORTENED]
    for index, part in enumerate(parts):
        if all(there() for words, there in NEEDS.items() if words in part):
            lines += [given for words, given in GIVEN.items() if words in part]
            lines += [part, f"print('done', {index}, flush=True)"]
    return "\n".join(lines)


def test_the_snippets_run_in_order(tmp_path):
    parts = [part for page in PAGES for part in snippets(page)]
    assert len(parts) >= 11
    assert all(any(words in part for part in parts) for words in (*GIVEN, *NEEDS))
    done = subprocess.run(
        [sys.executable, "-c", program(parts)], cwd=tmp_path, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert f"done {len(parts) - 1}" in done.stdout


@pytest.mark.slow
def test_the_first_snippet_reaches_what_the_demonstration_does(tmp_path):
    figures = "[pruner.pruning_rate, dpap.training.accuracy(net, test_split)]"
    command = [sys.executable, "-c", f"{snippets(README)[0]}\nimport json; print(json.dumps({figures}))"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    pruned, accuracy = json.loads(done.stdout.splitlines()[-1])
    assert pruned >= 0.65
    assert accuracy >= 0.97
