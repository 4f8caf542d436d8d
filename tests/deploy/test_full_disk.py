import os
import subprocess
import sys
from pathlib import Path

import pytest
from factories import firing_network

import deploy

WORKER = Path(__file__).parent / "full_disk_worker.py"
WAYS = ["h5", "netx", "nir", "sana-fe", "record", "save-recording", "bytes"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.h5"
    deploy.compile(firing_network("8C3-AP2-64FC-10FC", (1, 8, 8), 4, input_max=16)).save(path)
    return path


def run_worker(model, folder, room, *arguments):
    return subprocess.run(
        [sys.executable, str(WORKER), str(model), str(folder), str(room), *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=300,
        check=False,
    )


def expected(folder, reason):
    return [
        f"{way}: cannot write {folder / way}: {reason}; nothing of it is left: free some space, or choose"
        " another folder"
        for way in WAYS
    ]


@pytest.mark.parametrize("room", [pytest.param(100, marks=pytest.mark.slow), 5000])
def test_every_writer_says_that_nothing_fits_and_leaves_nothing(room, model, tmp_path):
    done = run_worker(model, tmp_path, room)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == expected(tmp_path, "File too large")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or not sys.platform.startswith("linux"), reason="only root can mount")
def test_a_file_system_that_is_full(model, tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        done = run_worker(model, tmp_path, 0)
        left = list(tmp_path.iterdir())
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == expected(tmp_path, "No space left on device")
    assert not left


@pytest.mark.parametrize("command", ["export", "simulate"])
def test_the_command_line_says_it_in_a_line(command, model, tmp_path):
    out = tmp_path / "out.h5"
    options = {
        "export": ["--to", str(out)],
        "simulate": ["--data", str(tmp_path / "inputs.npy"), "--record-to", str(out)],
    }
    done = run_worker(model, tmp_path, 5000, command, str(model), *options[command])
    assert done.returncode == 1, done.stderr
    lines = [line for line in done.stderr.splitlines() if line]
    assert lines[-1].startswith(f"dpap: error: cannot write {out}: File too large; nothing of it is left")
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["inputs.npy"]


def test_training_says_it_in_a_line_and_keeps_what_was_finished(model, tmp_path):
    folder = tmp_path / "run"
    arguments = ["--network", "4C3-AP2-10FC", "--dev-run", "--out", str(folder)]
    done = run_worker(model, tmp_path, 5000, "train", *arguments)
    assert done.returncode == 1, done.stderr
    file = folder / "checkpoint.safetensors"
    assert done.stderr.splitlines()[-1] == (
        f"dpap: error: cannot write {file}: File too large; nothing of it is left: free some space, or choose"
        " another folder"
    )
    assert "Traceback" not in done.stderr
    assert [path.name for path in folder.iterdir()] == ["config.yaml"]
