"""What the documents name is there, and the configurations that come with the benchmarks are valid."""

import importlib.util
import inspect
import re
import subprocess
from pathlib import Path

import pytest
import yaml

import deploy
import dpap
from dpap.training.run_config import make_run_config, read_run_config

ROOT = Path(__file__).parent.parent
DOCUMENTS = (
    sorted(ROOT.glob("*.md"))
    + sorted(ROOT.glob("[!.]*/README.md"))
    + sorted(ROOT.glob("docs/**/*.md"))
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


def site_hooks():
    spec = importlib.util.spec_from_file_location("site_hooks", ROOT / "docs" / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("package", [dpap, deploy], ids=["dpap", "deploy"])
def test_the_reference_has_every_public_name(package):
    page = "\n".join(site_hooks().public_names(package.__name__))
    modules = [name for name in package.__all__ if inspect.ismodule(getattr(package, name))]
    for name in package.__all__:
        heading = "##" if name in modules else "###"
        shown = f"{heading} {package.__name__}.{name}"
        # SLAYER's names, dpap.from_slayer and dpap.to_slayer, are those of the package.
        assert name == "slayer" or re.search(rf"^{re.escape(shown)}$", page, re.MULTILINE), shown


def test_the_reference_has_every_command_and_field():
    hooks = site_hooks()
    page = hooks.on_page_markdown("<!-- commands -->")
    for command in (
        "demo",
        "train",
        "report",
        "quantize",
        "simulate",
        "verify",
        "estimate",
        "export",
        "doctor",
    ):
        assert f"### dpap {command}\n" in page
    assert "#### dpap hardware show\n" in page
    assert "| `--on-overflow` |" in page
    fields = hooks.on_page_markdown("<!-- fields -->")
    for field in ("training.learning_rate", "network.weight_bits", "pruning.target", "sdsnn.patience"):
        assert f"| `{field}` |" in fields
