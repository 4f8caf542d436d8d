"""Hardware descriptions: the schema of a YAML file, and loading one.

A file describes one target. Each of its values has a unit, its evidence and its source (:class:`Quantity`);
one that is not published is null with the evidence ``unknown``, and an estimate that needs it refuses. The
files that come with the package are in ``hardware_configs``; a user's file is given by its path.
"""

from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError, model_validator

from deploy.errors import HardwareError, InputError
from deploy.hardware.davies2018 import Davies2018Costs
from deploy.hardware.operations import OperationCosts
from deploy.hardware.quantity import WRONG_VALUE, Description, Power, name_fields, wrong_value
from deploy.hardware.sanafe import SanafeCosts
from deploy.hardware.structure import (
    Loihi1Structure,
    Loihi2Structure,
    OperationsStructure,
    SynapseFormat,
)
from dpap.errors.config_errors import located
from dpap.errors.known_names import suggestion
from dpap.errors.shown import shown
from dpap.files.writing import read_limited
from dpap.files.yaml_reader import MAX_BYTES, read_yaml

SUFFIXES = (".yaml", ".yml")

AnyCostSet = Annotated[Davies2018Costs | SanafeCosts | OperationCosts, Field(discriminator="model")]
"""Every form that a set of costs can have."""

AnyStructure = Annotated[Loihi1Structure | Loihi2Structure | OperationsStructure, Field(discriminator="kind")]
"""Every form that a structure can have."""


class Hardware(Description):
    """A hardware target.

    Attributes
    ----------
    name, title : str
    label : str or None
        What every result has to say of this target.
    structure : Loihi1Structure, Loihi2Structure or OperationsStructure
        Cores, tiles and limits, as far as there are any.
    synapse_format : SynapseFormat or None
        Layout of synaptic memory, where the structure is ``loihi1``.
    static_power : dict of str to Quantity
        Of one chip, by source; alternatives, never to be averaged.
    cost_sets : dict of str to CostSet
        By name; alternatives, never to be mixed.
    """

    name: str = Field(min_length=1)
    title: str = Field(min_length=1)
    label: str | None = Field(None, min_length=1)
    structure: AnyStructure
    synapse_format: SynapseFormat | None = None
    static_power: dict[str, Power]
    cost_sets: dict[str, AnyCostSet] = Field(min_length=1)

    def __repr__(self) -> str:
        return f"<Hardware {self.name}, {self.title}: cost sets {', '.join(self.cost_sets)}>"

    @property
    def places_neurons(self) -> bool:
        """Whether neurons can be placed on its cores one by one, so that packets and hops can be counted."""
        return isinstance(self.structure, Loihi1Structure)

    @model_validator(mode="after")
    def _parts_belong_together(self) -> "Hardware":
        kind = self.structure.kind
        if self.places_neurons and self.synapse_format is None:
            raise wrong_value("synapse_format", f"a layout of synaptic memory, since the structure is {kind}")
        if not self.places_neurons and self.synapse_format is not None:
            raise wrong_value("synapse_format", f"no such field, since the structure is {kind}")
        for name, costs in self.cost_sets.items():
            if costs.by_core != self.places_neurons:
                fitting = "davies2018 or sanafe" if self.places_neurons else "operations"
                raise wrong_value(f"cost_sets.{name}.model", f"{fitting}, since the structure is {kind}")
        return self

    @model_validator(mode="after")
    def _neurons_have_indices(self) -> "Hardware":
        if not self.places_neurons:
            return self
        neurons, bits = self.structure.neurons_per_core, self.synapse_format.index_bits_max
        if neurons.known and bits.known and neurons.whole > 1 << bits.whole:
            raise wrong_value(
                "synapse_format.index_bits_max.value",
                f"enough bits to count {neurons.whole} neurons of a core",
            )
        return self


def list_hardware() -> tuple[str, ...]:
    """Names of the targets that come with the package, in order."""
    files = resources.files("hardware_configs").iterdir()
    return tuple(sorted(Path(file.name).stem for file in files if Path(file.name).suffix in SUFFIXES))


def load_hardware(name_or_path: str | Path) -> Hardware:
    """Load and check a hardware description.

    Parameters
    ----------
    name_or_path : str or Path
        A name of :func:`list_hardware`, or the path of a YAML file (a name with a ``/`` or a YAML suffix is a
        path).

    Raises
    ------
    HardwareError
        There is no such target or file, or the file is wrong: the field, its value and what was expected are
        named.
    """
    text = str(name_or_path)
    is_path = isinstance(name_or_path, Path) or Path(text).suffix in SUFFIXES or Path(text).name != text
    if not is_path and text not in list_hardware():
        known = list_hardware()
        raise HardwareError(
            f"hardware {text!r} is not known; use one of {', '.join(known)}, or the path of a YAML file"
            f"{suggestion(text, known)}"
        )
    file = Path(text) if is_path else resources.files("hardware_configs") / f"{text}.yaml"
    try:
        content = read_limited(file, MAX_BYTES) if is_path else file.read_bytes()
    except (OSError, InputError) as error:
        raise HardwareError(f"{text}: cannot be read as text: {_in_one_line(str(error))}") from error
    try:
        raw = read_yaml(content)
    except yaml.YAMLError as error:
        raise HardwareError(f"{text}: is not YAML: {_in_one_line(str(error))}") from error
    try:
        hardware = Hardware.model_validate(raw)
    except ValidationError as error:
        raise HardwareError(f"{text}: {_explain(error, raw)}") from error
    name_fields(hardware, hardware.name)
    return hardware


def _explain(error: ValidationError, raw: Any) -> str:
    """One line on the first thing that is wrong: field, value, what was expected."""
    first = error.errors()[0]
    kind, context = first["type"], first.get("ctx", {})
    location = first["loc"]
    if kind == WRONG_VALUE:
        location += tuple(context["field"].split("."))
    keys, value = located(location, raw)
    field = ".".join(str(key) for key in keys) or "the file"
    if kind == "missing":
        return f"{field} is missing"
    if kind == "extra_forbidden":
        return f"{field} is {_short(value)}; expected no such field"
    if kind == "union_tag_not_found":
        return f"{field}.{_discriminator(context)} is missing"
    if kind == "union_tag_invalid":
        tags = f"{_short(context['tag'])}; expected one of {context['expected_tags']}"
        return f"{field}.{_discriminator(context)} is {tags}"
    expected = {
        WRONG_VALUE: context.get("expected"),
        "model_type": "a mapping of fields",
        "model_attributes_type": "a mapping of fields",
        "dict_type": "a mapping",
        "float_type": "a number or null",
        "string_type": "text",
        "literal_error": f"one of {context.get('expected')}",
        "greater_than_equal": "a finite number that is not negative",
        "finite_number": "a finite number that is not negative",
        "int_type": "a whole number",
        "too_short": "at least one entry",
        "string_too_short": "text that is not empty",
        "value_error": str(context.get("error")),
    }.get(kind, first["msg"])
    return f"{field} is {_short(value)}; expected {_in_one_line(expected)}"


def _discriminator(context: dict) -> str:
    return str(context["discriminator"]).strip("'")


def _short(value: Any) -> str:
    return "null" if value is None else _in_one_line(shown(value))


def _in_one_line(text: str) -> str:
    return " ".join(text.split())
