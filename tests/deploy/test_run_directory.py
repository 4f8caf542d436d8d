import json

import pytest
import yaml

from deploy.workflow.run_directory import RunDirectory
from dpap.errors import InputError
from dpap.training import EpochRecord


def test_files_appear_together_at_the_end(tmp_path):
    target = tmp_path / "runs" / "one"
    with RunDirectory(target) as directory:
        directory.write_json("a.json", {"x": 1})
        directory.write_yaml("b.yaml", {"z": 1, "a": [2]})
        directory.write_history("c.csv", {"dpap": [EpochRecord(1, 0.5, 0.25, 0.75, 0.125)]})
        assert not target.exists()
    assert sorted(path.name for path in target.iterdir()) == ["a.json", "b.yaml", "c.csv"]
    assert json.loads((target / "a.json").read_text()) == {"x": 1}
    assert list(yaml.safe_load((target / "b.yaml").read_text())) == ["z", "a"]
    assert (target / "c.csv").read_text() == (
        "network,epoch,loss,train_accuracy,test_accuracy,pruning_rate\ndpap,1,0.5,0.25,0.75,0.125\n"
    )
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["one"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("existing", [True, False])
def test_nothing_is_left_after_an_error(tmp_path, error, existing):
    target = tmp_path / "run"
    if existing:
        target.mkdir()
        (target / "a.txt").write_text("old")
    with pytest.raises(error), RunDirectory(target) as directory:
        directory.write_text("a.txt", "new")
        raise error
    assert [path.name for path in tmp_path.rglob("*")] == (["run", "a.txt"] if existing else [])
    if existing:
        assert (target / "a.txt").read_text() == "old"


def test_an_earlier_run_is_replaced_and_other_files_stay(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    for text in ("one", "two"):
        with RunDirectory(tmp_path) as directory:
            directory.write_text("a.txt", text)
    assert (tmp_path / "a.txt").read_text() == "two"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "mine.txt"]


def test_a_file_and_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file is not a folder"), RunDirectory(tmp_path / "file"):
        pass
    with (
        pytest.raises(InputError, match="; choose another --out"),
        RunDirectory(tmp_path / "file" / "below"),
    ):
        pass
    # Even root cannot write here.
    with pytest.raises(InputError, match="cannot write"), RunDirectory("/proc/run"):
        pass


def test_json_has_no_nan(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"), RunDirectory(tmp_path / "x") as directory:
        directory.write_json("a.json", {"x": float("nan")})
