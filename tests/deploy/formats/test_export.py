"""Formats by suffix, in Python and on the command line."""

import json
import sys

import numpy as np
import pytest
from factories import firing_network, random_inputs

import deploy
from deploy.cli import main


@pytest.fixture
def network():
    return firing_network("4C3-AP2-6FC-5FC", (1, 4, 4), 4)


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as done:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return done.value.code, captured.out, captured.err


def test_our_own_format_by_its_suffix(tmp_path, network):
    graph, inputs = deploy.compile(network), random_inputs(network, 2)
    deploy.export(graph, tmp_path / "model.h5")
    again = deploy.load(tmp_path / "model.h5")
    assert np.array_equal(deploy.run(again, inputs).output, deploy.run(graph, inputs).output)


@pytest.mark.parametrize("name", ["model", "model.onnx", "model.NIR"])
def test_other_suffixes_are_refused(tmp_path, network, name):
    with pytest.raises(deploy.ExportError, match=r"no format has the suffix .* use one of .h5, .net, .nir"):
        deploy.export(deploy.compile(network), tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["net", "nir"])
def test_a_folder_that_is_not_there(tmp_path, network, suffix):
    pytest.importorskip("nir" if suffix == "nir" else "h5py")
    with pytest.raises(deploy.errors.InputError, match="cannot write"):
        deploy.export(deploy.compile(network), tmp_path / "nowhere" / f"model.{suffix}")


def test_without_the_package_nir(tmp_path, network, monkeypatch):
    monkeypatch.setitem(sys.modules, "nir", None)
    with pytest.raises(deploy.ExportError, match=r"need the package nir, .* install dpap\[nir\]"):
        deploy.export(deploy.compile(network), tmp_path / "model.nir")
    with pytest.raises(deploy.FormatError, match=r"need the package nir"):
        deploy.from_nir(tmp_path / "model.nir")


@pytest.mark.parametrize("suffix", ["net", "nir", "h5"])
def test_the_command(capsys, tmp_path, network, suffix):
    pytest.importorskip("nir" if suffix == "nir" else "h5py")
    model, to = tmp_path / "model.h5", tmp_path / f"exported.{suffix}"
    graph = deploy.compile(network)
    graph.save(model)
    code, out, err = run(capsys, "export", model, "--to", to, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "model": str(model),
        "file": str(to),
        "format": {"net": "netx"}.get(suffix, suffix),
        "bytes": to.stat().st_size,
        "layers": ["conv1", "fc1", "fc2"],
        "neurons": graph.neurons,
        "weights": graph.stored_weights,
        "removed": graph.removed,
    }
    code, out, err = run(capsys, "export", model, "--to", to)
    assert code == 0
    assert out.startswith(f"{to}: 3 layers, ")


def test_the_command_refuses_in_one_line(capsys, tmp_path):
    residual = deploy.compile(firing_network("4C3-Res(4C3)-5FC", (1, 4, 4), 4))
    residual.save(tmp_path / "model.h5")
    code, out, err = run(capsys, "export", tmp_path / "model.h5", "--to", tmp_path / "model.net")
    assert (code, out) == (2, "")
    assert err.startswith("dpap: error: fc1: it receives spikes from conv2, conv1")
    assert err.count("\n") == 1
    code, _, err = run(capsys, "export", tmp_path / "model.h5", "--to", tmp_path / "model.txt")
    assert code == 2
    assert "no format has the suffix '.txt'" in err
    assert [file.name for file in tmp_path.iterdir()] == ["model.h5"]


def test_the_command_for_sana_fe(capsys, tmp_path, network):
    model, to, inputs = tmp_path / "model.h5", tmp_path / "out", tmp_path / "inputs.npy"
    deploy.compile(network).save(model)
    np.save(inputs, random_inputs(network, 2))
    status, out, err = run(
        capsys, "export", model, "--to", to, "--format", "sana-fe", "--inputs", inputs, "--json"
    )
    assert (status, err) == (0, "")
    written = {path.name: path for path in to.iterdir()}
    assert set(written) == {"architecture.yaml", "network.yaml"}
    assert json.loads(out)["bytes"] == sum(path.stat().st_size for path in written.values())
    assert json.loads(out)["format"] == "sana-fe"
    assert "spikes: [" in written["network.yaml"].read_text()
    status, _, err = run(capsys, "export", model, "--to", tmp_path / "x.nir", "--inputs", inputs)
    assert status == 2 and "only sana-fe describes inputs" in err
