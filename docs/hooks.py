"""Parts of the reference that are made from the packages while the site is built."""

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import typer
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import deploy.hardware.config
from deploy.cli.main import app
from dpap.training.run_config import RunConfig

ROOT = Path(__file__).parents[1]

SUBPACKAGES = {
    "dpap": ("data", "encoders", "networks", "neurons", "plasticity", "pruning", "training", "checkpoint"),
    "deploy": ("ir", "hardware", "measurement"),
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill the marks of the reference's pages (an event of MkDocs)."""
    for package in SUBPACKAGES:
        mark = f"<!-- names of {package} -->"
        if mark in markdown:
            markdown = markdown.replace(mark, "\n".join(public_names(package)))
    if "<!-- commands -->" in markdown:
        markdown = markdown.replace(
            "<!-- commands -->", "\n".join(commands(typer.main.get_command(app), "dpap"))
        )
    for path in re.findall(r"<!-- file (\S+) -->", markdown):
        markdown = markdown.replace(f"<!-- file {path} -->", page_of(ROOT / path))
    if "<!-- fields -->" in markdown:
        markdown = markdown.replace("<!-- fields -->", table(RunConfig))
    if "<!-- hardware -->" in markdown:
        markdown = markdown.replace("<!-- hardware -->", table(deploy.hardware.config.Hardware))
    return markdown


def page_of(path: Path) -> str:
    """A page of the repository, whose links to files beside it become their names."""
    text = path.read_text(encoding="utf-8")
    return re.sub(r"!?\[([^\]]*)\]\((\w+\.(?:md|svg))\)", rf"\1 (`{path.parent.name}/\2`)", text)


def public_names(package: str) -> Iterator[str]:
    """A heading for each of a package's modules, and a directive of mkdocstrings for each public name."""
    module = import_module(package)
    yield f"## {package}\n"
    yield from _directives(module)
    for name in SUBPACKAGES[package]:
        part = import_module(f"{package}.{name}")
        summary = (part.__doc__ or "").strip().split("\n\n")[0]
        yield f"## {part.__name__}\n\n{summary}\n"
        yield from _directives(part)


def _directives(module: ModuleType) -> Iterator[str]:
    for name in sorted(module.__all__):
        value = getattr(module, name)
        if isinstance(value, ModuleType):
            continue
        documented = inspect.isclass(value) or inspect.isfunction(value)
        path = f"{value.__module__}.{value.__qualname__}" if documented else f"{module.__name__}.{name}"
        elsewhere = documented and not value.__module__.startswith(module.__name__.partition(".")[0])
        shown = f"As `{path}`, which is documented there." if elsewhere else f"::: {path}"
        yield f"### {module.__name__}.{name}\n\n{shown}\n"


def commands(command: click.Command, name: str, level: int = 2) -> Iterator[str]:
    """The help of a command and of those below it."""
    context = click.Context(command, info_name=name)
    yield f"{'#' * level} {name}\n\n{command.get_short_help_str(400)}\n"
    options = [parameter for parameter in command.params if getattr(parameter, "help", None)]
    below = getattr(command, "commands", {})
    if options and not below:
        yield "| option | default | meaning |\n|---|---|---|"
        for option in options:
            said = " ".join(str(option.help).split()).replace("|", "\\|")
            default = option.get_default(context)
            shown = "" if default in (None, (), False) or callable(default) else f"`{default}`"
            names = ", ".join(f"`{one}`" for one in option.opts)
            yield f"| {names} | {shown} | {said} |"
        yield ""
    for part, subcommand in below.items():
        yield from commands(subcommand, f"{name} {part}", level + 1)


def table(model: type[BaseModel]) -> str:
    """The fields of a model and of the models below it, by their dotted names."""
    rows = ["| field | type | default |", "|---|---|---|"]
    return "\n".join([*rows, *_rows(model, "")])


def _rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _rows(kind, f"{prefix}{name}.")
            continue
        written = getattr(kind, "__name__", None) if isinstance(kind, type) else str(kind)
        written = str(written).replace("typing.", "").replace("|", "\\|")
        default = "required" if field.default is PydanticUndefined else f"`{_shown(field.default)}`"
        yield f"| `{prefix}{name}` | {written} | {default} |"


def _shown(default: Any) -> str:
    shown = default.model_dump() if isinstance(default, BaseModel) else default
    return str(shown).replace("|", "\\|")
