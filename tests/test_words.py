"""Words that are gone from code, messages and pages; docs/concepts/glossary.md has the terms to use."""

import fnmatch
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SUFFIXES = (".py", ".md", ".ipynb", ".yaml", ".toml", ".js", ".css")
HERE = "tests/test_words.py"

OLD_PAGES = ("benchmarks/README.md", "benchmarks/LOG.md")
"""Pages that are still in the old words: remove each from here when it is rewritten."""

GONE = {
    "receive input, presynaptic, without fan-out": r"hear|hears|heard|hearing|unheard|listens?|listener",
    "prune, to prune, keep": r"die|dies|died|dying|deaths?|mortal|spares?|spared|sparing|outlives?",
    "alive mask, remaining": r"life|lives|lived|living",
    "layer state": r"developing layer|growing layer",
    "pruning history": r"development|developments",
    "Trainer, EpochMetrics": r"class learning|learned\(",
    "controller, target": r"steer|steers|steered|steering",
    "cost function": r"meters?",
    "path": r"routes?|roads?",
    "lowering, pass-through layer": r"rectifying|relays?",
    "reference implementation": r"judges?|judged",
    "mock": r"stand ins?(?! the\b)",
    "a unit, a layer, a process": r"nobody|somebody|anybody|whom|whoever|those who",
    "prune harder, weigh": r"press|presses|pressed|pressure",
    "predict": r"foretells?|foretold",
}
"""What to write, and the words that are gone; identifiers are split into words before they are compared."""

ANY = re.compile(rf"\b(?:{'|'.join(GONE.values())})\b")

EXCEPTIONS = {
    # Keys of files and of printed JSON, and messages that name them.
    "*.py": (
        '"unheard"',
        '["unheard"]',
        ".unheard",
        "``unheard``",
        '"steering"',
        "DPAP, steering",
    ),
    "*": ("development.npz", "`unheard`"),
    "deploy/formats/h5.py": ("kept, unheard",),
    "deploy/verification/verification.py": ("unheard :", "unheard:", "unheard="),
    "deploy/report/pruning_history.py": ('"development"',),
    "dpap/pruning/pruning_history*.py": (
        '"died"',
        ".../died",
        "/died",
        '"development"',
        'f"development, {name}"',
    ),
    "dpap/pruning/unit_record.py": ('"died"',),
    "dpap/training/run.py": ('"development"',),
    "tests/deploy/*": ('id="development"',),
    "tests/dpap/*": (
        "/died",
        '"died ',
        '"development',
        "^development",
        r"development\.npz",
        "lacks steering",
    ),
    "tests/dpap/test_budget_controller.py": ('f"steering, ',),
    "tests/dpap/test_sdsnn.py": ("unknown steering",),
    "tests/dpap/test_pruner_state.py": ('"steering"',),
    "dpap/pruning/dpap.py": ("lacks steering",),
    # Old names that still work.
    "dpap/pruning/__init__.py": ('"Development"',),
    "tests/test_renamed.py": (
        '"Development"',
        '"DevelopmentRecord"',
        '"read_development"',
        '"BudgetSteering"',
        '"living_masks"',
        '"BudgetMeter"',
        '"budget_meter"',
        "pruner.steering",
        "pruner.life",
    ),
    # A folder of BrainCog, a constant of Linux, a method of browsers.
    "dpap/*": ("Structural_Development",),
    "deploy/backends/lava/worker/lifetime.py": ("PDEATHSIG",),
    "deploy/report/page.js": ("addEventListener",),
}
"""Texts that stay, by file; so does a line that is marked as an ``# old name``."""


def words(text):
    """A text in lower case with its identifiers split: ``DyingUnits`` and ``dying_units`` are two words."""
    return re.sub(r"[_-]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)).lower()


def found(name, text):
    """Lines of a file with a word that is gone, with what to write."""
    allowed = [part for files, parts in EXCEPTIONS.items() if fnmatch.fnmatch(name, files) for part in parts]
    for number, line in enumerate(text.splitlines(), start=1):
        if not ANY.search(words(line)) or line.endswith("# old name"):
            continue
        kept = line
        for part in allowed:
            kept = kept.replace(part, " ")
        for instead, pattern in GONE.items():
            match = re.search(rf"\b(?:{pattern})\b", words(kept))
            if match:
                yield f"{name}:{number}: {match[0]!r}; write {instead}: {line.strip()[:150]}"


def sources():
    """Files with code or text, by name."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [
        name
        for name in listed.stdout.splitlines()
        if name.endswith(SUFFIXES) and name not in (HERE, *OLD_PAGES)
    ]


def test_words_that_are_gone():
    wrong = [line for name in sources() for line in found(name, (ROOT / name).read_text(encoding="utf-8"))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("dying_units = 3", "prune, to prune, keep"),
        ("class DyingUnits:", "prune, to prune, keep"),
        ('"""A layer that hears itself."""', "receive input, presynaptic, without fan-out"),
        ("a stand-in", "mock"),
    ],
)
def test_words_are_found_in_identifiers_and_sentences(line, instead):
    (message,) = found("deploy/some.py", line)
    assert message.startswith("deploy/some.py:1: ") and f"write {instead}" in message


@pytest.mark.parametrize(
    "line", ["express = 1", 'removed["unheard"]', "learning_rate = 3", "life = 1  # old name"]
)
def test_other_words_and_exceptions_stay(line):
    assert not list(found("deploy/some.py", line))
