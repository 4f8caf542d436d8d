"""What the documents name is there, and the configurations that come with the benchmarks are valid."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from dpap.training.run_config import make_run_config, read_run_config

ROOT = Path(__file__).parent.parent
DOCUMENTS = (
    sorted(ROOT.glob("*.md"))
    + sorted(ROOT.glob("[!.]*/README.md"))
    + sorted(ROOT.glob("docs/*.md"))
    + sorted(ROOT.glob("dpap/**/*.md"))
)
CONFIGURATIONS = sorted((ROOT / "benchmarks" / "runs").glob("*.yaml"))


def named_files(text):
    """Paths of the project's own folders with a suffix, and the targets of links."""
    folders = "|".join(("benchmarks", "dpap", "deploy", "hardware_configs", "notebooks", "tests", "docs"))
    return set(re.findall(rf"\b(?:{folders})/[\w./-]+\.(?:py|yaml|md|ipynb|svg)\b", text))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_a_document_names_are_there(document):
    missing = {
        name for name in named_files(document.read_text(encoding="utf-8")) if not (ROOT / name).is_file()
    }
    assert not missing


def test_names_are_found_in_a_text():
    text = "run `benchmarks/no.py --out runs/x`, see benchmarks/runs/none.yaml and dpap/a_b/README.md."
    assert named_files(text) == {"benchmarks/no.py", "benchmarks/runs/none.yaml", "dpap/a_b/README.md"}


def test_there_are_configurations():
    assert {path.stem for path in CONFIGURATIONS} >= {
        "mnist",
        "mnist-2fc",
        "mnist-dnn",
        "mnist-sdsnn",
        "nmnist",
    }


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.stem)
def test_configurations_are_valid_and_not_ignored(path):
    config = make_run_config(read_run_config(path), where=str(path))
    assert make_run_config(yaml.safe_load(config.to_yaml())) == config
    # A configuration that git ignores would be missing in every clone.
    ignored = subprocess.run(["git", "check-ignore", "--quiet", str(path)], cwd=ROOT, check=False)
    assert ignored.returncode != 0
