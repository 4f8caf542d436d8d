import os
import subprocess
import sys

import pytest

import dpap
from dpap.files.scratch import locked, scratch_folder
from dpap.training.run_files import RunFiles

HELD = """
import sys, time
from dpap.files.scratch import scratch_folder
with scratch_folder(sys.argv[1], ".name.", ".part") as folder:
    (folder / "file").write_text("begun")
    print(folder, flush=True)
    time.sleep(600)
"""


def age(folder):
    os.utime(folder, (0, 0))


@pytest.fixture
def other(tmp_path):
    """A process with a folder of its own, and that folder."""
    process = subprocess.Popen([sys.executable, "-c", HELD, tmp_path], stdout=subprocess.PIPE, text=True)
    yield process, tmp_path / process.stdout.readline().strip().rpartition("/")[2]
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_folder_is_removed_at_the_end(tmp_path):
    with pytest.raises(ZeroDivisionError), scratch_folder(tmp_path, ".name.", ".part") as folder:
        (folder / "file").write_text("begun")
        assert folder.name.startswith(".name.") and folder.name.endswith(".part")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_killed_process_is_removed_by_the_next_and_a_running_ones_is_not(tmp_path, other):
    process, left = other
    age(left)
    with scratch_folder(tmp_path, ".name.", ".part"):
        assert (left / "file").read_text() == "begun"
    process.kill()
    process.wait()
    assert left.exists()
    with scratch_folder(tmp_path, ".name.", ".part"):
        assert not left.exists()


def test_what_is_young_or_has_another_name_stays(tmp_path):
    for name in (".name.a.part", ".other.b.part", "name.c.part"):
        (tmp_path / name).mkdir()
    (tmp_path / ".name.file.part").write_text("a file")
    for path in (".other.b.part", "name.c.part", ".name.file.part"):
        age(tmp_path / path)
    with scratch_folder(tmp_path, ".name.", ".part"):
        pass
    assert len(list(tmp_path.iterdir())) == 4


def test_a_lock_is_held_once(tmp_path):
    with locked(tmp_path) as first, locked(tmp_path) as second:
        assert (first, second) == (True, False)
    with locked(tmp_path) as again:
        assert again


def test_a_training_keeps_others_out_of_its_folder(tmp_path):
    files, others = RunFiles(tmp_path / "run"), RunFiles(tmp_path / "run")
    with (
        files.lock(),
        pytest.raises(dpap.InputError, match="another training is running in this folder"),
        others.lock(),
    ):
        pass
    with others.lock():
        pass


def test_a_training_that_began_since_it_was_looked_is_not_overwritten(tmp_path):
    late = RunFiles(tmp_path / "run")
    late.check(resume=False, overwrite=False)
    early = RunFiles(tmp_path / "run")
    with early.lock():
        early.begin("method: none\n", keep=False)
    with pytest.raises(dpap.InputError, match="began a run here in the meantime"), late.lock():
        pass
    assert early.config.read_text() == "method: none\n"
