import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from deploy.workflow.run_directory import RunDirectory
from dpap.errors import InputError, StorageError
from dpap.files.writing import move_into_place, write_atomically, write_text


def test_a_link_stays_and_its_target_is_replaced(tmp_path):
    target, link = tmp_path / "there" / "target.txt", tmp_path / "link.txt"
    target.parent.mkdir()
    target.write_text("old")
    link.symlink_to("there/target.txt")
    write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.txt", "there"]
    assert [path.name for path in target.parent.iterdir()] == ["target.txt"]


def test_a_link_to_nothing_makes_its_target(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "target").read_text() == "new"
    assert (tmp_path / "link").is_symlink()


def make_pipe(path):
    os.mkfifo(path)


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as server:
        folder = Path.cwd()
        # The whole path can be longer than a socket's may be.
        os.chdir(path.parent)
        server.bind(path.name)
        os.chdir(folder)


def make_circle(path):
    path.symlink_to(path.name)


def make_folder(path):
    path.mkdir()


SPECIAL = [
    (make_pipe, "it is a pipe"),
    (make_socket, "it is a socket"),
    (make_folder, "it is a folder"),
    (make_circle, "it is a symbolic link that leads in a circle"),
]


@pytest.mark.parametrize(("make", "message"), SPECIAL)
@pytest.mark.parametrize("by_link", [False, True])
def test_nothing_but_a_file_is_replaced(tmp_path, make, message, by_link):
    place = tmp_path / "out"
    make(place)
    path = place
    if by_link:
        path = tmp_path / "link"
        path.symlink_to(place)
    before = place.lstat()
    called = []
    with pytest.raises(InputError, match=f"cannot write {path}: {message}; choose the name of a file"):
        write_atomically(path, called.append)
    after = place.lstat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert not called
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device")
def test_a_device_stays(tmp_path):
    device = tmp_path / "device"
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("no devices can be made here")
    with pytest.raises(InputError, match="it is a device"):
        write_text(device, "text")
    assert stat.S_ISCHR(device.lstat().st_mode)


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "out.txt"
    path.write_text("old")

    def write(temporary):
        temporary.write_bytes(b"half")
        raise OSError(28, os.strerror(28))

    with pytest.raises(StorageError, match=r"cannot write .*out\.txt: No space left on device; nothing"):
        write_atomically(path, write)
    assert [file.name for file in tmp_path.iterdir()] == ["out.txt"]
    assert path.read_text() == "old"


def test_a_draft_moves_to_another_file_system(tmp_path, monkeypatch):
    draft, target = tmp_path / "draft", tmp_path / "target"
    draft.write_text("new")
    target.write_text("old")
    replace = type(draft).replace

    def crossing(self, other):
        if self == draft:
            raise OSError(18, os.strerror(18))
        return replace(self, other)

    monkeypatch.setattr(type(draft), "replace", crossing)
    move_into_place(draft, target)
    assert target.read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["target"]


def test_a_run_folder_keeps_its_links_and_refuses_its_pipes(tmp_path):
    folder, target = tmp_path / "run", tmp_path / "target.txt"
    folder.mkdir()
    target.write_text("old")
    (folder / "a.txt").symlink_to(target)
    with RunDirectory(folder) as run:
        run.write_text("a.txt", "new")
    assert (folder / "a.txt").is_symlink()
    assert target.read_text() == "new"
    os.mkfifo(folder / "b.txt")
    with pytest.raises(InputError, match=r"b\.txt: it is a pipe"), RunDirectory(folder) as run:
        run.write_text("a.txt", "newer")
        run.write_text("b.txt", "text")
    assert target.read_text() == "new"
    assert sorted(path.name for path in folder.iterdir()) == ["a.txt", "b.txt"]


def test_a_full_disk_names_the_run_folder(tmp_path):
    def write(temporary):
        raise OSError(28, os.strerror(28))

    with pytest.raises(StorageError) as raised, RunDirectory(tmp_path / "run") as run:
        write_atomically(run.file("a.txt"), write)
    assert str(raised.value).startswith(f"cannot write {tmp_path / 'run'}: No space left")
    assert not list(tmp_path.iterdir())


def test_a_pipe_that_is_being_read_is_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: os.close(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)))
    reader.start()
    with pytest.raises(InputError, match="a pipe"):
        write_text(pipe, "text")
    reader.join()
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
