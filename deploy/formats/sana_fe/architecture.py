"""A chip of Loihi's kind as SANA-FE describes it, with the costs of one of our descriptions."""

from typing import Any

from deploy.errors import ExportError
from deploy.hardware.config import Hardware
from deploy.hardware.quantity import Cost
from deploy.hardware.sanafe import SanafeCosts
from deploy.hardware.structure import Loihi1Structure

SOMA, INPUT_SOMA, DENDRITE = "loihi_lif", "loihi_inputs", "loihi_dendrites"

SYNAPSE = {
    "dense": "loihi_dense_synapse",
    "sparse": "loihi_sparse_synapse",
    "convolution": "loihi_conv_synapse",
}
"""Units of a core, by the names that SANA-FE's own description of Loihi has for them."""

INPUTS_PER_CORE = 1024
"""Most neurons of one core that give input: each is a unit of its own."""

LINK_BUFFER = 16
"""Messages that a link between tiles holds, in SANA-FE's Loihi; of use to its detailed timing alone."""


def costs_of(hardware: Hardware) -> SanafeCosts:
    """The set of costs that has SANA-FE's form.

    Raises
    ------
    ExportError
        The description has none, or its cores are not those of Loihi 1.
    """
    found = [costs for costs in hardware.cost_sets.values() if isinstance(costs, SanafeCosts)]
    if not found or not isinstance(hardware.structure, Loihi1Structure):
        raise ExportError(
            f"{hardware.name} cannot be described to SANA-FE: it needs the structure of loihi1 and a cost set"
            " of the model sanafe; use loihi1"
        )
    return found[0]


def architecture(hardware: Hardware, inputs: int) -> dict[str, Any]:
    """The content of ``architecture.yaml``.

    Parameters
    ----------
    hardware : Hardware
    inputs : int
        Units for input that each core is to have; SANA-FE makes all of them.

    Raises
    ------
    ExportError
        As of :func:`costs_of`.
    UnknownValue
        The description leaves a value unknown.
    """
    costs, structure = costs_of(hardware), hardware.structure
    hop = {}
    for direction, cost in (
        ("north", costs.hop_north_south),
        ("south", costs.hop_north_south),
        ("east", costs.hop_east_west),
        ("west", costs.hop_east_west),
    ):
        hop[f"energy_{direction}_hop"] = cost.energy.si
        hop[f"latency_{direction}_hop"] = cost.time.si
    core = {
        "name": f"loihi_core[0..{structure.cores_per_tile.whole - 1}]",
        "attributes": {
            "buffer_position": "soma",
            "buffer_inside_unit": False,
            "max_neurons_supported": max(structure.neurons_per_core.whole, INPUTS_PER_CORE),
        },
        "axon_in": [{"name": "loihi_in", "attributes": _costs("message_in", costs.message_in)}],
        "synapse": [
            {
                "name": SYNAPSE[encoding],
                "attributes": {"model": "current_based", **_costs("process_spike", cost)},
            }
            for encoding, cost in ((name, getattr(costs.synapse, name)) for name in SYNAPSE)
        ],
        "dendrite": [
            {"name": DENDRITE, "attributes": {"model": "accumulator", **_free("update")}},
        ],
        "soma": [
            {
                "name": SOMA,
                "attributes": {
                    "model": "leaky_integrate_fire",
                    **_costs("access_neuron", costs.soma.access),
                    **_costs("update_neuron", costs.soma.update),
                    **_costs("spike_out", costs.soma.spike),
                },
            },
            {
                "name": f"{INPUT_SOMA}[0..{inputs - 1}]",
                "attributes": {
                    "model": "input",
                    **_free("access_neuron"),
                    **_free("update_neuron"),
                    **_free("spike_out"),
                },
            },
        ],
        "axon_out": [{"name": "loihi_out", "attributes": _costs("message_out", costs.message_out)}],
    }
    return {
        "architecture": {
            "name": hardware.name,
            "attributes": {
                "topology": "mesh",
                "width": structure.mesh_width.whole,
                "height": structure.mesh_height.whole,
                "link_buffer_size": LINK_BUFFER,
                "sync_model": "table",
                "latency_sync": {tiles: time.si for tiles, time in costs.sync.items()},
            },
            "tile": [
                {
                    "name": f"loihi_tile[0..{structure.tiles_per_chip - 1}]",
                    "attributes": hop,
                    "core": [core],
                }
            ],
        }
    }


def _costs(event: str, cost: Cost) -> dict[str, float]:
    return {f"energy_{event}": cost.energy.si, f"latency_{event}": cost.time.si}


def _free(event: str) -> dict[str, float]:
    return {f"energy_{event}": 0.0, f"latency_{event}": 0.0}
