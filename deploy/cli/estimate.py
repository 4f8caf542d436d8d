"""``dpap estimate``."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.options import Overflowing, Oversized, Unknown
from deploy.cli.output import print_json, print_table


def command(
    model: Annotated[Path, typer.Argument(help="A compiled model, model.h5.")],
    data: Annotated[str, typer.Option(help="digits, or a .npy file of inputs (N, T, ...).")] = "digits",
    hardware: Annotated[
        str, typer.Option(help="Targets of dpap hardware list or paths of YAML files, with commas between.")
    ] = "loihi1",
    cost_set: Annotated[str | None, typer.Option(help="Price by this cost set of the targets alone.")] = None,
    active: Annotated[
        str, typer.Option(help="Neuron updates that count as active: input, spiking or all.")
    ] = "input",
    unknown: Unknown = "refuse",
    oversized: Oversized = "refuse",
    samples: Annotated[int | None, typer.Option(min=1, help="Only the first so many samples.")] = None,
    on_overflow: Overflowing = "raise",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Run a compiled model and estimate what an inference takes on hardware; no two cost sets are mixed."""
    from deploy.cli.data import load_inputs
    from deploy.formats.h5 import load
    from deploy.hardware import estimate, load_hardware
    from deploy.measurement import measure
    from deploy.runner import run

    targets = [load_hardware(name.strip()) for name in hardware.split(",")]
    graph = load(model)
    inputs, _ = load_inputs(graph, data, samples)
    measurement = measure(graph, run(graph, inputs, on_overflow=on_overflow))
    options = {"active": active, "unknown": unknown, "oversized": oversized, "cost_set": cost_set}
    estimates = [estimate(measurement, target, **options) for target in targets]
    if json:
        print_json({"model": str(model), "estimates": [result.to_dict() for result in estimates]})
        return
    _print(estimates)


def _print(estimates) -> None:
    kinds = list(
        dict.fromkeys(
            kind for result in estimates for costs in result.cost_sets.values() for kind in costs.by_kind
        )
    )
    rows = [_row(result, costs, kinds) for result in estimates for costs in result.cost_sets.values()]
    columns = ["hardware", "cost set", *kinds, "dynamic", "static", "time", "evidence of energy"]
    print_table(columns, rows, title=f"per inference, mean over {estimates[0].samples} samples")
    for result in estimates:
        print(_cores(result))
        for violation in result.violations:
            print(f"  does not fit: {violation}")
        if len(result.cost_sets) > 1 and result.energy_interval:
            low, high = (_written(value, "J") for value in result.energy_interval)
            bound = "at least " if any(costs.is_lower_bound for costs in result.cost_sets.values()) else ""
            print(
                f"  dynamic energy by cost set from {bound}{low} to {high}: accounts side by side, no average"
            )


def _row(result, costs, kinds) -> list[str]:
    named = f"{result.hardware} ({result.label})" if result.label else result.hardware
    by_kind = costs.by_kind
    total = _written(costs.dynamic_energy, "J")
    if costs.is_lower_bound and costs.dynamic_energy is not None:
        total = f"at least {total}"
    static = [f"{source} {_written(energy, 'J')}" for source, energy in costs.static_energy.items()]
    evidence = dict.fromkeys(part.evidence for part in costs.parts if part.count)
    return [
        named,
        costs.name,
        *(_written(by_kind[kind], "J") if kind in by_kind else "-" for kind in kinds),
        total,
        ", ".join(static) or "-",
        _written(costs.time, "s"),
        ", ".join(evidence),
    ]


def _cores(result) -> str:
    if result.core_range is not None:
        bounds = result.core_range
        return (
            f"{result.hardware}: {bounds.lower} to {bounds.upper} cores, {bounds.chips_lower} to"
            f" {bounds.chips_upper} chips, by rules that are not verified: {' '.join(bounds.assumptions)}"
        )
    if result.cores is None:
        return f"{result.hardware}: nothing is placed on cores"
    traffic, samples = result.traffic, result.samples
    hops = traffic.hops_east_west + traffic.hops_north_south
    return (
        f"{result.hardware}: {result.cores} cores, {result.tiles} tiles, {result.chips} chips;"
        f" {traffic.packets / samples:,.1f} packets and {hops / samples:,.1f} hops an inference"
    )


def _written(value: float | None, unit: str) -> str:
    from deploy.report.quantities import si

    return "unknown" if value is None else si(value, unit)
