"""Lava fails in many ways. Whatever happens, the error is ours, and nothing of the run is left behind."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from factories import firing_network, random_inputs

import deploy
from deploy.backends.lava import child
from deploy.backends.lava.job import Job

PROGRAM = """
import sys

import numpy as np

import deploy

# No main guard: that is how many people write scripts.
graph, inputs = deploy.load(sys.argv[1]), np.load(sys.argv[2])
deploy.run(graph, inputs, backend="lava", progress=lambda done, total: print(done, flush=True))
"""


SCRIPT = """
import multiprocessing

import numpy as np

import deploy

# What Lava itself would fail on, since it wants forks.
multiprocessing.set_start_method("spawn")
print("started")
graph, inputs = deploy.load("model.h5"), np.load("inputs.npy")
lava, fast = (deploy.run(graph, inputs, backend=backend) for backend in ("lava", "fast"))
print(np.array_equal(lava.output, fast.output))
"""


@pytest.fixture(scope="module")
def network():
    return firing_network("6FC-5FC", (9,), 8)


@pytest.fixture(scope="module")
def graph(network):
    return deploy.compile(network)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder that jobs are made in; whatever happens, it must be empty in the end."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    others = children()
    yield tmp_path
    assert list(tmp_path.iterdir()) == []
    assert [child for child in children() if child not in others] == []


@pytest.fixture
def few(network):
    return random_inputs(network, 2)


@pytest.fixture
def many(network):
    """So many samples that they would run for minutes."""
    return random_inputs(network, 20_000)


def children(process=None):
    """Processes under one, without those that only wait to be reaped."""
    found = (process or psutil.Process()).children(recursive=True)
    return [child for child in found if alive(child)]


def alive(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def await_end(processes, seconds=5.0):
    deadline = time.monotonic() + seconds
    while any(map(alive, processes)):
        assert time.monotonic() < deadline, [process for process in processes if alive(process)]
        time.sleep(0.05)


def shared_memory(job_name):
    return list(child.SHARED_MEMORY.glob(f"*{job_name}*"))


def assert_works(graph, inputs):
    fast, lava = (deploy.run(graph, inputs, backend=backend) for backend in ("fast", "lava"))
    assert all(np.array_equal(lava.kept[name], fast.kept[name]) for name in fast.kept)


@pytest.mark.parametrize("limit", [0.01, 2.0])
def test_time_limit(graph, many, few, folder, limit):
    started = time.monotonic()
    with pytest.raises(deploy.BackendError, match=rf"of 20000 samples of 8 steps .* limit of {limit:g} s"):
        deploy.run(graph, many, backend="lava", time_limit=limit)
    assert time.monotonic() - started < limit + 2
    assert_works(graph, few)


@pytest.mark.parametrize("victim", ["worker", "one of Lava's processes"])
def test_a_killed_process(graph, many, few, folder, victim):
    seen = []
    others = children()

    def kill(done, total):
        # Called while samples run; afterwards nothing is.
        if not seen:
            (worker,) = (child for child in psutil.Process().children() if child not in others)
            (job,) = folder.iterdir()
            seen.extend([worker, *children(worker)])
            assert len(seen) > 5
            assert shared_memory(job.name)
            target = worker if victim == "worker" else worker.children()[-1]
            target.kill()
            seen.append(target)

    started = time.monotonic()
    with pytest.raises(deploy.BackendError, match=r"killed by SIGKILL, as the system does when memory"):
        deploy.run(graph, many, backend="lava", progress=kill)
    assert time.monotonic() - started < 15
    await_end(seen)
    assert_works(graph, few)


def test_a_process_that_hangs(graph, many, few, folder, monkeypatch):
    stopped, waited = [], [0.0]
    others = children()
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + waited[0], sleep=time.sleep)
    monkeypatch.setattr(child, "time", clock)

    def stop_one(done, total):
        (worker,) = (child for child in psutil.Process().children() if child not in others)
        stopped.extend(children(worker))
        stopped[-1].suspend()
        # The rest of the time limit, in no time.
        waited[0] = 1000.0

    with pytest.raises(deploy.BackendError, match=r"time limit of 900 s was over"):
        deploy.run(graph, many, backend="lava", time_limit=900, progress=stop_one)
    await_end(stopped)
    assert_works(graph, few)


def test_ten_runs_in_a_row(graph, few, folder):
    handles = psutil.Process().num_fds()
    for _ in range(10):
        assert_works(graph, few)
        assert list(folder.iterdir()) == []
    assert psutil.Process().num_fds() == handles
    assert not shared_memory("lava-")


def test_two_runs_at_once(graph, network, folder):
    both = [random_inputs(network, 3, seed) for seed in (1, 2)]
    expected = [deploy.run(graph, inputs) for inputs in both]
    with ThreadPoolExecutor(2) as pool:
        ran = list(pool.map(lambda inputs: deploy.run(graph, inputs, backend="lava"), both))
    assert not np.array_equal(expected[0].output, expected[1].output)
    for lava, fast in zip(ran, expected, strict=True):
        assert all(np.array_equal(lava.kept[name], fast.kept[name]) for name in fast.kept)


def test_a_script_without_a_main_guard(graph, few, folder):
    graph.save(folder / "model.h5")
    np.save(folder / "inputs.npy", few)
    (folder / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": ":".join(sys.path), "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    # Its lines ran once: nothing imports a user's script again.
    assert done.stdout.split() == ["started", "True"]
    for name in ("model.h5", "inputs.npy", "script.py"):
        (folder / name).unlink()


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("lag", "late", "TypeError"),  # before Lava starts
        ("steps", "many", "ValueError"),  # when Lava's processes wait for what to do
        ("threshold", "high", r"scale_threshold.*TypeError"),  # in one of them
    ],
)
def test_an_exception_inside_lava(graph, few, folder, monkeypatch, field, value, error):
    write = Job.write

    def write_wrongly(*arguments):
        job = write(*arguments)
        description = json.loads((job.folder / "job.json").read_text())
        target = description if field in description else description["layers"][1]
        target[field] = value
        (job.folder / "job.json").write_text(json.dumps(description))
        return job

    with monkeypatch.context() as patch:
        patch.setattr(Job, "write", write_wrongly)
        with pytest.raises(deploy.BackendError, match=rf"(?s)exit status 1; .*'fast'.*{error}"):
            deploy.run(graph, few, backend="lava", time_limit=20)
    assert_works(graph, few)


def test_a_worker_that_cannot_start(graph, few, folder, monkeypatch):
    monkeypatch.setattr(child, "WORKER", folder / "nowhere")
    with pytest.raises(deploy.BackendError, match=r"(?s)exit status 2; .*nowhere"):
        deploy.run(graph, few, backend="lava")


def test_a_full_disk(graph, few, folder, monkeypatch):
    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", fail)
    with pytest.raises(deploy.BackendError, match=r"No space left on device; make room there, set TMPDIR"):
        deploy.run(graph, few, backend="lava")


def test_a_long_path_of_the_temporary_folder(graph, few, folder, monkeypatch):
    long = folder / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    assert_works(graph, few)
    long.rmdir()


def test_a_program_that_ignores_its_children(graph, few, folder):
    former = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert_works(graph, few)
    finally:
        signal.signal(signal.SIGCHLD, former)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_program_that_is_ended_while_lava_runs(graph, many, folder, number):
    model, inputs = folder / "model.h5", folder / "inputs.npy"
    graph.save(model)
    np.save(inputs, many)
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(model), str(inputs)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(folder), "PYTHONPATH": ":".join(sys.path)},
        cwd=Path(__file__).parent,
    )
    assert int(program.stdout.readline()) > 0
    running = children(psutil.Process(program.pid))
    assert len(running) > 5
    (job,) = (path for path in folder.iterdir() if path.is_dir())
    assert shared_memory(job.name)
    program.send_signal(number)
    _, errors = program.communicate(timeout=20)
    if number == signal.SIGINT:
        assert errors.strip().endswith("KeyboardInterrupt")
        # Python has cleaned up before it ended.
        await_end(running, seconds=0.5)
        assert not job.exists()
    else:
        await_end(running)
    assert not shared_memory(job.name)
    model.unlink()
    inputs.unlink()
