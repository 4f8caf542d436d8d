"""What a NIR file does not say is assumed with a warning, and the warnings are true."""

import re
import warnings

import h5py
import numpy as np
import pytest
import torch
from factories import firing_network
from nir_references import compiled_spikes, nir

import deploy
import dpap
from deploy.formats.nir.reach import largest_potential
from dpap import ConversionWarning

DT = 1e-4


def read(source, **options):
    """A network and the warnings of its conversion."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        network = deploy.from_nir(source, **options)
    assert all(issubclass(warning.category, ConversionWarning) for warning in caught)
    # They point to the line that called from_nir.
    assert all(warning.filename == __file__ for warning in caught)
    return network, [str(warning.message) for warning in caught]


def lif(n, tau=2 * DT, r=None, **options):
    ones = np.ones(n)
    parameters = {"tau": tau, "r": tau / DT if r is None else r, "v_leak": 0.0, "v_threshold": 1.0}
    return nir.LIF(**{name: ones * value for name, value in (parameters | options).items()})


def integrate(n, r=1.0, threshold=1.0):
    return nir.IF(r=np.full(n, r), v_threshold=np.full(n, threshold))


def graph(neuron, weight=((0.5, 0.25),), between=()):
    return nir.NIRGraph.from_list(nir.Linear(np.array(weight, np.float32)), *between, neuron)


# ---------------------------------------------------------------- the reset


def test_a_reset_that_nothing_says_is_named_once():
    two = nir.NIRGraph.from_list(nir.Linear(np.ones((3, 2))), lif(3), nir.Linear(np.ones((1, 3))), lif(1))
    network, said = read(two, time_steps=2)
    assert len(said) == 1
    assert said[0].startswith("nothing says whether the neurons lif, lif_1 reset to zero or by subtraction")
    assert "Pass reset='zero'" in said[0]
    again, none = read(two, time_steps=2, reset="zero")
    assert none == []
    assert torch.equal(network.layers["fc1"].weight, again.layers["fc1"].weight)


def test_the_file_is_named(tmp_path):
    path = tmp_path / "theirs.nir"
    nir.write(path, graph(lif(1)))
    assert read(path, time_steps=2)[1][0].startswith(f"{path}: nothing says")


def test_many_neurons_are_counted():
    layers = [part for _ in range(7) for part in (nir.Linear(np.ones((1, 1))), lif(1))]
    assert "lif, lif_1, lif_2, lif_3 and 3 more" in read(nir.NIRGraph.from_list(*layers), time_steps=2)[1][0]


def test_a_reset_by_subtraction_is_refused_and_the_advice_works():
    with pytest.raises(deploy.CompileError, match=r"^lif: a reset by subtraction .* pass reset='zero' to"):
        deploy.from_nir(graph(lif(1)), time_steps=2, reset="subtract")
    assert read(graph(lif(1)), time_steps=2, reset="zero")[1] == []


@pytest.mark.parametrize("reset", ["soft", "", 0, np.zeros(2)])
def test_another_reset_is_an_error(reset):
    with pytest.raises(dpap.InputError, match=r"reset is .*; expected None, 'zero' or 'subtract'"):
        deploy.from_nir(graph(lif(1)), time_steps=2, reset=reset)


@pytest.fixture
def exported(tmp_path):
    path = tmp_path / "ours.nir"
    deploy.export(deploy.compile(firing_network("6FC-5FC", (4,), 3)), path)
    return path


def test_files_that_were_written_here_say_it(exported):
    assert nir.read(exported).metadata["reset"] == "zero"
    assert read(exported)[1] == []


def test_files_that_were_written_here_before_are_known_by_their_units(exported):
    with h5py.File(exported, "r+") as file:
        del file["node/metadata/reset"]
    assert read(exported)[1] == []
    with h5py.File(exported, "r+") as file:
        del file["node/nodes/fc1/metadata/unit"]
    assert len(read(exported)[1]) == 1


def test_a_file_that_says_subtract_is_refused_unless_the_argument_says_zero(exported):
    with h5py.File(exported, "r+") as file:
        del file["node/metadata/reset"]
        file["node/metadata/reset"] = "subtract"
    with pytest.raises(deploy.CompileError, match="fc1, fc2: a reset by subtraction has no counterpart"):
        deploy.from_nir(exported)
    assert read(exported, reset="zero")[1] == []


@pytest.mark.parametrize("value", [np.zeros(3), 7.0, "something else"])
def test_metadata_of_another_meaning_say_nothing(exported, value):
    with h5py.File(exported, "r+") as file:
        del file["node/metadata/reset"], file["node/nodes/fc1/metadata/unit"]
        file["node/metadata/reset"] = value
    assert len(read(exported)[1]) == 1


@torch.no_grad()
def run_snntorch(layers, mechanism, inputs, path):
    """Spikes of snnTorch's neurons behind linear layers, and the file that it writes of the network."""
    snntorch = pytest.importorskip("snntorch", reason="snnTorch writes what is read here")
    from snntorch.export_nir import export_to_nir
    from snntorch.utils import reset

    parts = []
    for index, weight in enumerate(layers):
        outputs, size = weight.shape
        parts.append(torch.nn.Linear(size, outputs, bias=False))
        parts[-1].weight.data = weight.float()
        parts.append(
            snntorch.Leaky(
                beta=torch.full((outputs,), 0.5),
                threshold=torch.ones(outputs),
                init_hidden=True,
                output=index == len(layers) - 1,
                reset_mechanism=mechanism,
            )
        )
    network, spikes = torch.nn.Sequential(*parts), []
    for sample in inputs:
        reset(network)
        spikes.append([network(torch.from_numpy(frame[None]).float())[0][0].numpy() for frame in sample])
    nir.write(path, export_to_nir(network, torch.zeros(1, layers[0].shape[1]), ignore_dims=[0]))
    return np.array(spikes)


@pytest.mark.filterwarnings("ignore:nirtorch.extract_nir_graph:DeprecationWarning")
def test_what_the_warning_says_of_snntorch_is_true(tmp_path):
    # One input of 4.5. By subtraction, a step later in snnTorch: 4.5, then 2.25 - 1 = 1.25, then 0.625 - 1.
    inputs = np.zeros((1, 4, 1), int)
    inputs[0, 0] = 1
    files = {mechanism: tmp_path / f"{mechanism}.nir" for mechanism in ("subtract", "zero")}
    spikes = {
        mechanism: run_snntorch([torch.tensor([[4.5]])], mechanism, inputs, path).ravel().tolist()
        for mechanism, path in files.items()
    }
    assert spikes == {"subtract": [1, 1, 0, 0], "zero": [1, 0, 0, 0]}
    # Both files hold the same, so that nothing can be known.
    nodes = [nir.read(path).nodes["1"] for path in files.values()]
    for field in ("tau", "r", "v_leak", "v_threshold", "v_reset"):
        assert np.array_equal(*(getattr(node, field) for node in nodes))
    assert nodes[0].metadata == nodes[1].metadata == {}
    ours, said = read(files["subtract"], time_steps=4)
    assert len(said) == 1
    assert compiled_spikes(ours, inputs).ravel().tolist() == spikes["zero"]


@pytest.mark.filterwarnings("ignore:nirtorch.extract_nir_graph:DeprecationWarning")
def test_spikes_are_lost_where_inputs_exceed_the_threshold(tmp_path):
    generator = torch.Generator().manual_seed(0)
    # Excitation of 1 to 2 thresholds from a single spike, and few of these.
    layers = [torch.randint(64, 127, shape, generator=generator) / 64 for shape in ((12, 9), (5, 12))]
    for weight in layers:
        weight[0, 0] = 127 / 64
    inputs = (np.random.default_rng(0).random((10, 12, 9)) < 0.03).astype(int)
    path = tmp_path / "theirs.nir"
    to_zero = run_snntorch(layers, "zero", inputs, path)
    by_subtraction = run_snntorch(layers, "subtract", inputs, path)
    ours = compiled_spikes(read(path, time_steps=12)[0], inputs)
    assert np.array_equal(ours, to_zero)
    assert by_subtraction.sum() > 1.2 * ours.sum() > 0


# ---------------------------------------------------------------- the duration of a step


def test_a_step_that_is_not_the_files_is_named(exported):
    said = read(exported, dt=5e-5)[1]
    assert len(said) == 1
    expected = "dt is 5e-05 s and the file was written for steps of 0.0001 s: decays and gains are 0.5 times"
    assert expected in said[0]
    assert read(exported, dt=1e-4)[1] == []


@pytest.mark.parametrize(
    ("neuron", "expected"),
    [
        # Norse: r = 1, tau = 10 ms; dt / tau = 0.01, and 0.1 in steps of 1 ms.
        (
            lambda: lif(1, tau=1e-2, r=1.0, v_threshold=1e-3),
            "lif has tau = 0.01, a decay of 0.01 a step, and of 0.1 at a step of 1 ms",
        ),
        # A synapse of 5 ms behind a membrane of 1 ms.
        (
            lambda: nir.CubaLIF(
                tau_syn=np.full(1, 5e-3),
                tau_mem=np.full(1, 1e-3),
                r=np.ones(1),
                v_leak=np.zeros(1),
                v_threshold=np.full(1, 1e-4),
            ),
            "cubalif has tau_syn = 0.005, a decay of 0.02 a step, and of 0.2 at a step of 1 ms",
        ),
        # snnTorch's r = tau / dt, of steps of 1 ms.
        (
            lambda: lif(1, tau=2e-3, r=2.0, v_threshold=1e-2),
            "lif has tau = 0.002, a decay of 0.05 a step, and of 0.5 at a step of 1 ms",
        ),
        (lambda: integrate(1, r=1e3), "if has r = 1000, a gain of 0.1, and of 1 in steps of 1 ms"),
        # sinabs has time constants in steps.
        (
            lambda: lif(1, tau=20.0, r=1.0, v_threshold=1e-6),
            "lif has tau = 20, a decay of 5e-06 a step, and of 0.05 at a step of 1.",
        ),
    ],
)
def test_time_constants_of_another_step_are_named(neuron, expected):
    said = read(graph(neuron()), time_steps=50, reset="zero")[1]
    assert len(said) == 1, said
    assert "the file says no duration of a step, and 0.0001 s is assumed: " + expected in said[0]
    # What it says to pass ends it.
    assert re.search("Pass dt, .*or dt=0.0001 where that is right", said[0])
    assert read(graph(neuron()), time_steps=50, reset="zero", dt=1e-4)[1] == []


def test_delays_of_whole_milliseconds_are_named():
    def delayed(*seconds):
        return nir.NIRGraph.from_list(
            nir.Linear(np.ones((2, 2))),
            lif(2),
            nir.Delay(np.array(seconds)),
            nir.Linear(np.ones((1, 2))),
            lif(1),
        )

    said = read(delayed(1e-3, 3e-3), time_steps=50, reset="zero")[1]
    assert len(said) == 1
    assert (
        "delay delays by 30 steps, and by 3 in steps of 1 ms, of which all its delays are multiples"
        in said[0]
    )
    assert read(delayed(1e-3, 3.1e-3), time_steps=50, reset="zero")[1] == []
    assert read(delayed(0, 0), time_steps=50, reset="zero")[1] == []


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 0.99, 0.999])
def test_files_of_snntorch_are_not_doubted(beta):
    # tau = dt / (1 - beta) and r = tau / dt: r gives the step.
    tau = DT / (1 - beta)
    assert read(graph(lif(1, tau=tau, v_threshold=0.5)), time_steps=20, reset="zero")[1] == []
    ones = np.ones(1)
    synaptic = nir.CubaLIF(
        tau_syn=tau * ones,
        tau_mem=tau * ones,
        r=tau / DT * ones,
        w_in=tau / DT * ones,
        v_leak=0 * ones,
        v_threshold=0.5 * ones,
    )
    assert read(graph(synaptic), time_steps=20, reset="zero")[1] == []


def test_a_potential_that_is_to_keep_everything_is_not_doubted():
    assert read(graph(lif(1, tau=1e6, r=1e10)), time_steps=20, reset="zero")[1] == []


@pytest.mark.filterwarnings("ignore:nirtorch.extract_nir_graph:DeprecationWarning")
def test_files_of_norse_and_what_is_advised(tmp_path):
    norse = pytest.importorskip("norse.torch", reason="Norse writes what is read here")
    ones = torch.ones(5)
    # 1 / 4 of a potential decays in a step of 2**-10 s.
    dt = 2.0**-10
    cell = norse.LIFBoxCell(norse.LIFBoxParameters(tau_mem_inv=256 * ones, v_leak=0 * ones, v_th=ones), dt=dt)
    network = norse.SequentialState(torch.nn.Linear(4, 5), cell)
    weight = torch.randint(-20, 60, (5, 4), generator=torch.Generator().manual_seed(0)) / 16
    weight[0, 0] = 127 / 16
    network[0].weight.data, network[0].bias.data[:] = weight, 0
    path = tmp_path / "norse.nir"
    nir.write(path, norse.to_nir(network, torch.zeros(1, 4), dt=dt))
    # It writes dt tau for tau, and the batch's axis.
    assert nir.read(path, type_check=False).nodes["1"].tau[0] == dt / 256
    with pytest.raises(
        deploy.CompileError, match=r"input: input_shape \(1, 4\); .*; pass input_shape, without"
    ):
        deploy.from_nir(path, time_steps=3)
    with pytest.raises(
        deploy.CompileError, match=r"Norse 1.1 writes dt times each time constant: .* dt=1e-6"
    ):
        deploy.from_nir(path, time_steps=3, input_shape=(4,))
    ours, said = read(path, time_steps=3, input_shape=(4,), dt=dt**2, reset="zero")
    assert said == []
    inputs = np.random.default_rng(0).integers(0, 2, (20, 3, 4))
    theirs = []
    with torch.no_grad():
        for sample in inputs:
            state, steps = None, []
            for frame in sample:
                spikes, state = network(torch.from_numpy(frame[None]).float(), state)
                steps.append(spikes[0].numpy())
            theirs.append(steps)
    assert 0 < np.mean(theirs) < 1
    assert np.array_equal(compiled_spikes(ours, inputs), np.array(theirs))


# ---------------------------------------------------------------- potentials that stay below the threshold


@pytest.mark.parametrize("r", [0.5, 2.0])
def test_a_resistance_that_silences_is_named(r):
    # 20 steps of (0.5 + 0.25) r dt.
    network, said = read(graph(integrate(1, r)), time_steps=20, reset="zero")
    assert len(said) == 1
    highest = 20 * 0.75 * r * DT
    assert said[0].startswith(
        "if: none of its 1 neurons can reach the threshold of 1: with the largest input in each of 20 steps a"
        f" potential is at most {highest:.3g} (r = {r:g}, dt = 0.0001); a step adds dt r = {r * DT:g} times"
    )
    inputs = np.ones((1, 20, 2), int)
    assert not compiled_spikes(network, inputs).any()
    # The advice: dt=1, or r / dt. At r = 2 the first step reaches 1.5; at 0.5 the third 1.125.
    expected = [int(r == 2.0 or step % 3 == 2) for step in range(20)]
    for neuron, dt in ((integrate(1, r), 1.0), (integrate(1, r / DT), None)):
        network, said = read(graph(neuron), time_steps=20, reset="zero", dt=dt)
        assert said == []
        assert compiled_spikes(network, inputs).ravel().tolist() == expected


def test_a_time_constant_that_silences_is_named():
    # Norse's: r = 1 and tau = 20 ms in steps of 0.1 ms: 0.005 a step of 0.75, ten steps of it.
    slow = graph(lif(1, tau=2e-2, r=1.0, v_threshold=0.5))
    said = read(slow, time_steps=10, reset="zero")[1]
    assert len(said) == 2
    assert "lif: none of its 1 neurons can reach the threshold of 0.5" in said[1]
    assert "at most 0.0375 (r = 1, tau = 0.02, dt = 0.0001)" in said[1]
    # In the limit the potential is 0.75: time is enough, too.
    assert "give more time_steps, pass the dt that the file was written for" in said[1]
    network, said = read(slow, time_steps=400, dt=1e-4, reset="zero")
    assert said == []
    assert compiled_spikes(network, np.ones((1, 400, 2), int)).any()
    assert read(slow, time_steps=30, dt=1e-3, reset="zero")[1] == []


def test_constants_currents_and_analog_inputs_count():
    # The bias alone reaches 2 x 0.6.
    weight, bias = np.zeros((1, 2), np.float32), np.full(1, 0.6, np.float32)
    weight[:] = -1
    constant = nir.NIRGraph.from_list(nir.Affine(weight, bias), integrate(1))
    assert read(constant, time_steps=2, reset="zero")[1] == []
    assert len(read(constant, time_steps=1, reset="zero")[1]) == 1
    # 0.75 of inputs up to 3 of 2 for 1 is 1.125, and up to 2 of 2 is 0.75.
    one_step = graph(integrate(1))
    assert read(one_step, time_steps=1, reset="zero", input_max=3, input_divisor=2)[1] == []
    assert len(read(one_step, time_steps=1, reset="zero", input_max=2, input_divisor=2)[1]) == 1


def test_neurons_that_nothing_excites_are_named():
    said = read(graph(lif(1), ((-0.5, 0.0),)), time_steps=3, reset="zero")[1]
    assert len(said) == 1
    assert "a potential is at most 0 (r = 2, tau = 0.0002, dt = 0.0001); no synapse excites them" in said[0]


def test_a_recurrent_spike_counts_as_one():
    # 0.75 from the input and 0.5 from the other neuron exceed 1, and neither alone does in one step.
    nodes = {
        "input": nir.Input({"input": np.array([2])}),
        "in": nir.Linear(np.array([[0.5, 0.25], [1.5, 0.0]], np.float32)),
        "own": nir.Linear(np.array([[0.0, 0.5], [0.0, 0.0]], np.float32)),
        "lif": lif(2, tau=DT),
        "output": nir.Output({"output": np.array([2])}),
    }
    edges = [("input", "in"), ("in", "lif"), ("lif", "own"), ("own", "lif"), ("lif", "output")]
    recurrent = nir.NIRGraph(nodes, edges, type_check=False)
    network = read(recurrent, time_steps=3, reset="zero")[0]
    assert largest_potential(network.layers["fc1"], 3).tolist() == [1.25, 1.5]


def test_a_layer_of_which_few_neurons_fire_is_named():
    weight = np.full((200, 2), 0.1, np.float32)
    weight[:3] = 1
    said = read(graph(lif(200), weight), time_steps=3, reset="zero")[1]
    assert said == []
    weight[1:3] = 0.1
    said = read(graph(lif(200), weight), time_steps=3, reset="zero")[1]
    assert len(said) == 1
    assert "lif: only 1 of its 200 neurons can reach the threshold" in said[0]
