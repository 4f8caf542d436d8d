"""Lava can be imported before and after a network ran, in a process and in a notebook's kernel."""

import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient

RUN = """
import numpy, torch, dpap, deploy
network = dpap.networks.build("4C3-AP2-10FC", (1, 8, 8), 2, input_max=16)
network(torch.zeros(1, 1, 8, 8, 2))
"""
LAVA = "from lava.lib.dl.netx import hdf5\n"
TQDM = "import dpap, tqdm\ntqdm.tqdm.get_lock()\nlist(tqdm.tqdm(range(2), disable=False))\n"
SPAWN = "import dpap, multiprocessing\nmultiprocessing.set_start_method('spawn')\n"
METHOD = "import multiprocessing\nprint(multiprocessing.get_start_method())\n"


def python(program):
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(RUN + LAVA, id="after"),
        pytest.param(LAVA + RUN, id="before", marks=pytest.mark.slow),
        pytest.param(TQDM + LAVA, id="tqdm", marks=pytest.mark.slow),
    ],
)
def test_in_a_process(program):
    ended = python(program + METHOD)
    assert ended.returncode == 0, ended.stderr
    # As Lava wants it, and as it was.
    assert ended.stdout.splitlines()[-1] == "fork"


def test_a_method_that_was_chosen_is_left_alone():
    ended = python(SPAWN + LAVA)
    assert ended.returncode == 1
    assert "context has already been set" in ended.stderr


def test_in_a_notebook(tmp_path):
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(RUN), nbformat.v4.new_code_cell(LAVA + METHOD)]
    )
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert "".join(output.text for output in notebook.cells[1].outputs if output.name == "stdout").endswith(
        "fork\n"
    )


def test_what_lava_dl_prints_of_tools_it_lacks_is_kept_away():
    ended = python(RUN + "dpap.to_slayer(network)")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
