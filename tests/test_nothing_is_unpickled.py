"""No code of the packages calls what unpickles, or runs what a file says."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(path for package in ("dpap", "deploy") for path in (ROOT / package).rglob("*.py"))

MODULES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
"""May not be imported."""

CALLS = {
    "torch.load",
    "torch.jit.load",
    "torch.package.PackageImporter",
    "yaml.unsafe_load",
    "yaml.full_load",
}
"""May not be called."""

SAFE_LOADERS = {"SafeLoader", "CSafeLoader", "SafeConstructor"}
"""What ``yaml.load`` may be given, besides classes made of these."""


UNSAFE_BASES = {"Loader", "UnsafeLoader", "FullLoader", "Constructor", "UnsafeConstructor", "FullConstructor"}


def dotted(node):
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def offences(text):
    tree = ast.parse(text)
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    found = [name for name in names.values() if set(name.split(".")) & MODULES]
    safe, classes = set(SAFE_LOADERS), [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    # Once for each, since a class may stand before its base in the tree.
    for _ in classes:
        for node in classes:
            # What a loader makes of values is its constructor's; no other may be among the bases.
            bases = {dotted(base).split(".")[-1] for base in node.bases}
            if bases & safe and not bases & UNSAFE_BASES:
                safe.add(node.name)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        head, _, tail = dotted(node.func).partition(".")
        name = ".".join(part for part in (names.get(head, head), tail) if part)
        options = {option.arg: option.value for option in node.keywords}
        allowed = options.get("allow_pickle")
        if name in CALLS or (name in ("eval", "exec") and isinstance(node.func, ast.Name)):
            found.append(name)
        elif allowed is not None and not (isinstance(allowed, ast.Constant) and allowed.value is False):
            found.append(f"{name}(allow_pickle)")
        elif name in ("yaml.load", "yaml.load_all"):
            loader = options.get("Loader", node.args[1] if len(node.args) > 1 else None)
            if loader is None or dotted(loader).split(".")[-1] not in safe:
                found.append(name)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_code_unpickles(path):
    assert offences(path.read_text()) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "import torch\ntorch.load('x', weights_only=True)",
        "from torch import load\nload('x')",
        "from torch.jit import load as read\nread('x')",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "import numpy as np\nnp.load('x', allow_pickle=chosen)",
        "import yaml\nyaml.load('x')",
        "import yaml\nyaml.load('x', Loader=yaml.Loader)",
        "import yaml\nyaml.unsafe_load('x')",
        "import yaml\nclass L(yaml.FullConstructor, yaml.SafeLoader): pass\nyaml.load('x', Loader=L)",
        "eval('x')",
    ],
)
def test_what_unpickles_is_found(text):
    assert len(offences(text)) == 1
