"""``dpap hardware``: the targets that come with the package, and checking one of your own."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.output import print_json, print_table

app = typer.Typer(no_args_is_help=True, help="List, show and check hardware descriptions.")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


@app.command("list")
def list_command(json: Json = False) -> None:
    """List the targets that come with the package."""
    from deploy.hardware.config import list_hardware, load_hardware

    targets = [load_hardware(name) for name in list_hardware()]
    if json:
        print_json({"hardware": [_summary(target) for target in targets]})
        return
    rows = [
        [
            target.name,
            f"{target.title} ({target.label})" if target.label else target.title,
            "one by one" if target.places_neurons else _placement(target),
            ", ".join(target.cost_sets),
        ]
        for target in targets
    ]
    print_table(["name", "title", "cores", "cost sets"], rows)


@app.command("show")
def show_command(
    name: Annotated[str, typer.Argument(help="A target of dpap hardware list, or the path of a YAML file.")],
    json: Json = False,
) -> None:
    """Show every value of a target with its unit, evidence and source."""
    from deploy.hardware.config import load_hardware

    _show(load_hardware(name), json)


@app.command("check")
def check_command(
    file: Annotated[Path, typer.Argument(help="A hardware description, a YAML file.")], json: Json = False
) -> None:
    """Check a hardware description of your own; errors name the field, the value and what is expected."""
    from deploy.hardware.config import load_hardware

    target = load_hardware(file)
    unknown = [path for path, quantity in _values(target).items() if not quantity.known]
    if json:
        print_json({"file": str(file), "valid": True, "unknown": unknown} | _summary(target))
        return
    print(f"{file}: a valid description of {target.name}, {len(_values(target))} values")
    if unknown:
        print(f"unknown: {', '.join(unknown)}")


def _show(target, json: bool) -> None:
    values = _values(target)
    if json:
        content = {path: quantity.model_dump() for path, quantity in values.items()}
        print_json(_summary(target) | {"values": content})
        return
    rows = [
        [
            path,
            f"{quantity.value:g}" if quantity.known else "unknown",
            quantity.unit,
            quantity.evidence,
            f"{quantity.source} ({quantity.note})" if quantity.note else quantity.source,
        ]
        for path, quantity in values.items()
    ]
    title = f"{target.name}: {target.title}" + (f" - {target.label}" if target.label else "")
    print_table(["field", "value", "unit", "evidence", "source (note)"], rows, title=title)


def _values(target) -> dict:
    from deploy.hardware.quantity import quantities

    return dict(quantities(target))


def _summary(target) -> dict:
    return {
        "name": target.name,
        "title": target.title,
        "label": target.label,
        "structure": target.structure.kind,
        "cost_sets": list(target.cost_sets),
    }


def _placement(target) -> str:
    return "a range" if target.structure.kind == "loihi2" else "-"
