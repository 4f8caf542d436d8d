from deploy.report.parts import part_keys
from deploy.report.style import CONTROL, HUES, PRUNED


def test_a_kind_of_operation_has_one_hue_in_every_cost_set():
    first, second = part_keys([["synaptic operations", "hops"], ["spikes", "synaptic events, dense", "hops"]])
    assert first["synaptic operations"].colour == second["synaptic events, dense"].colour == HUES[0]
    assert first["hops"].colour == second["hops"].colour


def test_parts_of_a_cost_set_are_distinguished():
    variants = [f"synaptic events, kind {i}" for i in range(5)]
    for names in (variants, [f"part{i}" for i in range(2 * len(HUES))]):
        (keys,) = part_keys([names])
        assert list(keys) == names
        assert len({(key.colour, key.mark) for key in keys.values()}) == len(names)


def test_no_part_has_the_colour_of_a_network():
    assert not {PRUNED, CONTROL} & set(HUES)
