import numpy as np
import pytest
import torch

from dpap.blocks import exact_sums


def whole_numbers(shape, low, high):
    return torch.randint(low, high + 1, shape).float()


@pytest.mark.parametrize("limit", [1, 200, 1 << 26])
@pytest.mark.parametrize(
    ("inputs", "weight", "geometry"),
    [
        ((4, 3, 9, 8), (6, 3, 3, 3), {"padding": 1}),
        ((4, 4, 9, 8), (6, 2, 3, 2), {"stride": 2, "padding": (1, 0), "dilation": (1, 2), "groups": 2}),
        ((2, 5, 7, 7), (5, 1, 3, 3), {"stride": (1, 3), "padding": 1, "groups": 5}),
        ((3, 2, 4, 4), (7, 2, 1, 1), {}),
        ((1, 1, 3, 3), (1, 1, 3, 3), {"dilation": 1}),
        ((0, 3, 5, 5), (2, 3, 3, 3), {}),
    ],
)
def test_gathered_convolution_is_the_convolution(inputs, weight, geometry, limit, monkeypatch):
    # The limit is that of what is gathered at once: one sample, a few, all.
    monkeypatch.setattr(exact_sums, "COLUMNS_LIMIT", limit)
    torch.manual_seed(0)
    leaves = [whole_numbers(inputs, 0, 200), whole_numbers(weight, -127, 127) * 2]
    ours, plain = ([leaf.clone().requires_grad_() for leaf in leaves] for _ in range(2))
    got = exact_sums.gathered_conv2d(*ours, **geometry)
    expected = torch.nn.functional.conv2d(*plain, **geometry)
    assert torch.equal(got, expected)
    grad = torch.randn_like(expected)
    got.backward(grad)
    expected.backward(grad)
    for leaf, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(leaf.grad, other.grad)


def test_gradients_that_are_not_needed_are_not_computed():
    inputs, weight = torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3, requires_grad=True)
    exact_sums.gathered_conv2d(inputs, weight).sum().backward()
    assert inputs.grad is None
    assert torch.equal(weight.grad, inputs)


def test_on_the_cpu_torch_is_exact_already():
    # The largest sums that a layer may have: 2**17 - 2 and its negative.
    inputs, weight = torch.full((1, 1, 1, 2), 255.0), torch.tensor([[[[257.0, 257.0]]], [[[-254.0, -260.0]]]])
    assert exact_sums.conv2d(inputs, weight).flatten().tolist() == [131070.0, -131070.0]
    assert exact_sums.linear(inputs.flatten(1), weight.flatten(1)).tolist() == [[131070.0, -131070.0]]


def test_precision_is_as_before_afterwards():
    matmul = torch.backends.cuda.matmul
    before = matmul.allow_tf32
    try:
        matmul.allow_tf32 = True
        with pytest.raises(ZeroDivisionError), exact_sums.full_precision():
            assert not matmul.allow_tf32
            raise ZeroDivisionError
        assert matmul.allow_tf32
    finally:
        matmul.allow_tf32 = before


# Transforms of Winograd's F(4 x 4, 3 x 3): Lavin and Gray 2016, section 4.3.
INPUTS = [
    [4, 0, -5, 0, 1, 0],
    [0, -4, -4, 1, 1, 0],
    [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0],
    [0, 2, -1, -2, 1, 0],
    [0, 4, 0, -5, 0, 1],
]
KERNELS = [
    [1 / 4, 0, 0],
    [-1 / 6, -1 / 6, -1 / 6],
    [-1 / 6, 1 / 6, -1 / 6],
    [1 / 24, 1 / 12, 1 / 6],
    [1 / 24, -1 / 12, 1 / 6],
    [0, 0, 1],
]
OUTPUTS = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]


def winograd(tiles, weight):
    """Convolution of tiles of 6 x 6 in float32."""
    inputs, kernels, outputs = (torch.tensor(matrix) for matrix in (INPUTS, KERNELS, OUTPUTS))
    inputs, outputs = inputs.float(), outputs.float()
    products = torch.einsum("ocij,ncij->noij", kernels @ weight @ kernels.T, inputs @ tiles @ inputs.T)
    return outputs @ products @ outputs.T


def test_rounding_would_not_mend_what_winograd_does():
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    scattered = torch.from_numpy(2.0 * generator.integers(-30, 31, (32, 128, 3, 3))).float()
    random = whole_numbers((64, 128, 6, 6), 0, 4)
    # Weights in one corner of their kernels; inputs where the transform's numbers are positive.
    cornered = torch.zeros(32, 512, 3, 3)
    cornered[:, :, 2, 2] = torch.from_numpy(2.0 * generator.integers(63, 128, (32, 512)))
    row = torch.tensor(INPUTS[5]).float()
    alternating = ((row[:, None] * row > 0) & (torch.rand(8, 512, 6, 6) > 0.1)).float()
    worst = {}
    for name, tiles, weight in (("random", random, scattered), ("corner", alternating, cornered)):
        exact = torch.nn.functional.conv2d(tiles.double(), weight.double())
        assert exact.abs().max() < 1 << 17
        assert torch.equal(exact_sums.gathered_conv2d(tiles, weight).double(), exact)
        worst[name] = (winograd(tiles, weight) - exact).abs().max().item()
    assert worst["random"] < 0.1
    assert worst["corner"] > 5
