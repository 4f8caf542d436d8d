"""Where compiled kernels are kept, in processes of their own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from factories import firing_network, random_inputs

import deploy
import dpap
from dpap.runtime import kernel_cache

SMALL = """
import numpy, numba
from deploy.simulator.kernels import pack_spikes
pack_spikes(numpy.zeros((1, 1, 1), numpy.uint64), numpy.zeros((1, 1, 1, 1), numpy.uint8), 0)
print(sum(pack_spikes.stats.cache_hits.values()), pack_spikes.stats.cache_path)
"""

AGAIN = """
import sys, deploy
from deploy.simulator import dense, event_driven, events, kernels
sys.path.insert(0, {tests!r})
from factories import firing_network, random_inputs
network = firing_network("4C3-AP2-12RFC-5FC", (2, 8, 8), 3)
graph = deploy.compile(network)
deploy.run(graph, random_inputs(network, 9))
simulator = deploy.Simulator(graph)
simulator.step(random_inputs(network, 1)[0, 0])
found = [value for module in (dense, event_driven, events, kernels) for value in vars(module).values()]
stats = [function.stats for function in found if hasattr(function, "overloads")]
print(sum(sum(s.cache_hits.values()) for s in stats), sum(sum(s.cache_misses.values()) for s in stats))
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """The packages in a folder that cannot take what is compiled, not even from a superuser."""
    root = tmp_path_factory.mktemp("packages")
    for package in (dpap, deploy):
        source = Path(package.__file__).parent
        copy = root / source.name
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        for folder in (copy, *(path for path in copy.rglob("*") if path.is_dir())):
            (folder / "__pycache__").write_text("a file in the place of the folder")
    return root


def child(script, **environment):
    variables = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=variables | environment,
        capture_output=True,
        text=True,
        timeout=300,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_kernels_go_to_the_users_cache_where_the_package_cannot_take_them(packages, tmp_path):
    variables = {"PYTHONPATH": str(packages), "XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    hits, folder = child(SMALL, **variables)
    assert hits == "0"
    assert tmp_path in Path(folder).parents
    # The next process finds it.
    assert child(SMALL, **variables) == ["1", folder]


def test_kernels_go_to_a_folder_for_temporary_files_where_nothing_else_can_take_them(packages, tmp_path):
    nowhere = {"XDG_CACHE_HOME": "/dev/null/cache", "HOME": "/dev/null"}
    hits, folder = child(SMALL, PYTHONPATH=str(packages), TMPDIR=str(tmp_path), **nowhere)
    assert hits == "0"
    private = tmp_path / f"dpap-kernels-{os.getuid()}"
    assert private in Path(folder).parents
    assert private.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_can_write_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    planted = tmp_path / f"dpap-kernels-{os.getuid()}"
    planted.mkdir(mode=0o777)
    planted.chmod(0o777)
    # Numba runs what it finds in the folder.
    assert kernel_cache._temporary_folder() != planted
    planted.rmdir()
    planted.symlink_to(tmp_path)
    assert kernel_cache._temporary_folder() != planted


def test_the_second_process_compiles_nothing():
    network = firing_network("4C3-AP2-12RFC-5FC", (2, 8, 8), 3)
    graph = deploy.compile(network)
    deploy.run(graph, random_inputs(network, 9))
    deploy.Simulator(graph)
    cache = {"NUMBA_CACHE_DIR": os.environ["NUMBA_CACHE_DIR"]} if "NUMBA_CACHE_DIR" in os.environ else {}
    package, tests = str(Path(deploy.__file__).parents[1]), str(Path(__file__).parent)
    hits, misses = child(AGAIN.format(tests=tests), PYTHONPATH=package, **cache)
    assert int(hits) > 5
    assert misses == "0"
