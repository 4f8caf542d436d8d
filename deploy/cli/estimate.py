"""``dpap estimate``."""

from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.options import (
    Data,
    Encoder,
    InputMax,
    Model,
    Overflowing,
    Oversized,
    Part,
    Reset,
    StepSeconds,
    Subset,
    TimeSteps,
    Unknown,
)
from deploy.cli.output import print_json, print_table

if TYPE_CHECKING:
    from deploy.hardware.result import CostSetEstimate, Estimate


def command(
    model: Model,
    data: Data = None,
    split: Part = "test",
    encoder: Encoder = None,
    subset: Subset = False,
    hardware: Annotated[
        str, typer.Option(help="Targets of dpap hardware list, or paths of YAML files, separated by commas.")
    ] = "loihi1",
    cost_set: Annotated[str | None, typer.Option(help="Use only this cost set of the targets.")] = None,
    active: Annotated[
        str, typer.Option(help="Neuron updates that count as active: input, spiking or all.")
    ] = "input",
    unknown: Unknown = "refuse",
    oversized: Oversized = "refuse",
    samples: Annotated[int | None, typer.Option(min=1, help="Number of samples, from the first.")] = None,
    on_overflow: Overflowing = "raise",
    time_steps: TimeSteps = None,
    input_max: InputMax = None,
    dt: StepSeconds = None,
    reset: Reset = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Run a model and estimate energy, time and cores of an inference on hardware; cost sets are never mixed.

    Of several targets, one that cannot price the network is listed with the reason.
    """
    from deploy.cli.models import load_model
    from deploy.errors import HardwareError
    from deploy.hardware import estimate, load_hardware
    from deploy.measurement.measurement import measure
    from deploy.runner import run

    targets = [load_hardware(name.strip()) for name in hardware.split(",")]
    read = load_model(model, time_steps=time_steps, input_max=input_max, dt=dt, reset=reset)
    inputs, _ = read.inputs(data, samples, part=split, encoder=encoder, subset=subset)
    measurement = measure(read.graph, run(read.graph, inputs, on_overflow=on_overflow))
    options = {"active": active, "unknown": unknown, "oversized": oversized, "cost_set": cost_set}
    estimates, refused = [], []
    for target in targets:
        try:
            estimates.append(estimate(measurement, target, **options))
        except HardwareError as error:
            if len(targets) == 1:
                raise
            refused.append((target.name, str(error)))
    if not estimates:
        names = ", ".join(name for name, _ in refused)
        raise HardwareError(f"none of {names} can price it; the first: {refused[0][1]}")
    if json:
        content = {"model": str(model), "estimates": [result.to_dict() for result in estimates]}
        reasons = [{"hardware": name, "reason": reason} for name, reason in refused]
        print_json(content | ({"refused": reasons} if refused else {}))
        return
    _print(estimates, refused)


def _print(estimates: list["Estimate"], refused: list[tuple[str, str]]) -> None:
    rows = [_row(result, costs) for result in estimates for costs in result.cost_sets.values()]
    rows += [[name, "-", "unknown", "unknown", "-", "see below"] for name, _ in refused]
    columns = ["hardware", "cost set", "dynamic energy", "time", "cores", "evidence"]
    print_table(columns, rows, title=f"per inference, mean over {estimates[0].samples} samples")
    for result in estimates:
        if len(estimates) + len(refused) == 1:
            _print_parts(result)
        print(_cores(result))
        for costs in result.cost_sets.values():
            for source, energy in costs.static_energy.items():
                print(
                    f"  static energy by {costs.name} at the idle power of {source}: {_written(energy, 'J')}"
                )
        for violation in result.violations:
            print(f"  does not fit: {violation}")
        if len(result.cost_sets) > 1 and result.energy_interval:
            low, high = (_written(value, "J") for value in result.energy_interval)
            bound = "at least " if any(costs.is_lower_bound for costs in result.cost_sets.values()) else ""
            print(
                f"  dynamic energy by cost set from {bound}{low} to {high}: accounts side by side, no average"
            )
    for name, reason in refused:
        print(f"{name}: unknown: {reason}")


def _row(result: "Estimate", costs: "CostSetEstimate") -> list[str]:
    named = f"{result.hardware} ({result.label})" if result.label else result.hardware
    total = _written(costs.dynamic_energy, "J")
    if costs.is_lower_bound and costs.dynamic_energy is not None:
        total = f"at least {total}"
    evidence = dict.fromkeys(part.evidence for part in costs.parts if part.count)
    cores = "-" if result.cores is None else f"{result.cores}"
    if result.core_range is not None:
        cores = f"{result.core_range.lower} to {result.core_range.upper}"
    return [named, costs.name, total, _written(costs.time, "s"), cores, ", ".join(evidence)]


def _print_parts(result: "Estimate") -> None:
    """Dynamic energy of each kind of operation, a column a cost set."""
    sets = list(result.cost_sets.values())
    kinds = dict.fromkeys(kind for costs in sets for kind in costs.by_kind)
    rows = [
        [kind, *(_written(costs.by_kind[kind], "J") if kind in costs.by_kind else "-" for costs in sets)]
        for kind in kinds
    ]
    print_table(["dynamic energy of", *(costs.name for costs in sets)], rows)


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
