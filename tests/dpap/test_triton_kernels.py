"""What can be known of the CUDA kernels without a GPU: that they are right, and that they compile."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from dpap import NetworkError
from dpap.neurons import LIF, SURROGATES, Population

triton = pytest.importorskip("triton", reason="Triton is not installed: it comes with torch on Linux alone")
cuda = pytest.importorskip("triton.compiler.backends.cuda", reason="not Triton 2.3, which torch 2.3 brings")
triton_function = pytest.importorskip("dpap.neurons.triton_function")
triton_kernels = pytest.importorskip("dpap.neurons.triton_kernels")
triton_launches = pytest.importorskip("dpap.neurons.triton_launches")

INTERPRETED = Path(__file__).with_name("interpreted_triton_kernels.py")


def test_kernels_equal_those_for_the_cpu_in_the_interpreter():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(INTERPRETED)]
    done = subprocess.run(
        command, env=os.environ | {"TRITON_INTERPRET": "1"}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


class Launches:
    """A GPU's driver that takes launches through Triton's compiler and NVIDIA's assembler, and stops."""

    def __init__(self, capability):
        self.target = ("cuda", capability)
        self.code = {}

    def compile(self, source, target, options):
        backend = cuda.CUDABackend(target)
        options = backend.parse_options(options)
        stages, module, code = {}, source.make_ir(options), {}
        backend.add_stages(stages, options)
        metadata = {"target": target, **options.__dict__, **source.metadata()}
        for name, stage in stages.items():
            module = code[name] = stage(module, metadata)
        self.code[source.name] = code
        kernel = dict.fromkeys(("num_warps", "num_ctas", "shared", "function"))
        return SimpleNamespace(
            **kernel, cluster_dims=(1, 1, 1), metadata={"tensormaps_info": []}, run=lambda *arguments: None
        )


@pytest.fixture
def launches(request, monkeypatch):
    record = Launches(getattr(request, "param", 80))
    driver = SimpleNamespace(
        get_current_device=lambda: 0,
        get_current_stream=lambda device: 0,
        get_current_target=lambda: record.target,
        assemble_tensormap_to_arg=lambda tensormaps, arguments: arguments,
    )
    monkeypatch.setattr(triton.runtime.jit, "driver", driver)
    monkeypatch.setattr(triton.compiler, "compile", record.compile)
    for kernel in ("forward_kernel", "pool_forward_kernel", "backward_kernel"):
        getattr(triton_kernels, kernel).cache.clear()
    return record


# A step, a channel, a position, a plane of one: the launcher makes constants of these.
@pytest.mark.parametrize(
    ("launches", "shape", "biased"),
    [
        (70, (3, 2, 5, 8, 8), True),
        (80, (1, 1, 1, 3, 3), True),
        (80, (1, 2, 16, 4, 4), False),
        (90, (4, 1, 1), True),
        (90, (16, 2, 40, 14, 14), False),
    ],
    indirect=["launches"],
)
def test_kernels_compile_for_gpus(launches, shape, biased):
    population = Population(LIF(), 100, 200.0, 4 if shape[0] == 1 else shape[0])
    current = torch.zeros(shape, requires_grad=True)
    bias = torch.zeros(shape[2], requires_grad=True) if biased else None
    triton_function.lif(current, population, bias).sum().backward()
    expected = {"forward_kernel", "backward_kernel"}
    if len(shape) == 5:
        triton_function.lif_pool(current, population, 2, bias)[0].sum().backward()
        expected.add("pool_forward_kernel")
    assert set(launches.code) == expected
    assert all(code["cubin"].startswith(b"\x7fELF") for code in launches.code.values())
    assert triton_function.membrane(current, population, bias)[1].shape == (population.time_steps, *shape[1:])


@pytest.mark.parametrize("surrogate", SURROGATES)
def test_products_and_sums_of_gradients_are_rounded_one_by_one(launches, surrogate):
    current = torch.zeros(4, 2, 3, requires_grad=True)
    triton_function.lif(current, Population(LIF(surrogate=surrogate), 100, 200.0, 4)).sum().backward()
    # Fused they are rounded once, and a voltage may change the side of the rectangle's edge.
    code = launches.code["backward_kernel"]["ptx"]
    assert "mul.rn.f32" in code or "mul.f32" in code
    assert "fma.rn.f32" not in code


def test_refuses_more_neurons_than_32_bits_count():
    current = torch.zeros(1, 1, 1, 1).expand(1, 1 << 16, 1 << 15, 1)
    with pytest.raises(NetworkError, match=r"2147483648 neurons.*\(65536, 32768, 1\).*smaller batch"):
        triton_launches.lif_forward(current, None, Population(LIF(), 1, 1.0, 1))
