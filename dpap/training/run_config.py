"""The configuration of a training run: a YAML file, and changes of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError, model_validator

from dpap.data import data_set
from dpap.encoders import Direct
from dpap.errors import InputError
from dpap.errors.config_errors import explained
from dpap.errors.known_names import known_by
from dpap.errors.shown import shown
from dpap.files.writing import read_limited
from dpap.files.yaml_reader import MAX_BYTES, read_yaml
from dpap.networks import RECIPES
from dpap.pruning import DPAPConfig, SDSNNConfig
from dpap.training.config import TrainingConfig
from dpap.training.methods import check_method, method_named
from dpap.training.sections import DataConfig, ExecutionConfig, NetworkConfig, Section

DIGITS = "24C3-AP2-48C3-AP2-512FC-10FC"
"""The network for scikit-learn's digits, that of the demonstration."""

_DEFAULT_NETWORKS = {"digits": DIGITS, "digits-events": DIGITS} | {name: name for name in RECIPES}


class RunConfig(Section):
    """A training run, whole.

    Attributes
    ----------
    data : DataConfig
    network : NetworkConfig
    method : str
        ``dpap``, ``sdsnn``, ``none`` for no pruning, or a criterion for DPAP with that measure of importance.
    pruning : DPAPConfig
        Of DPAP. Its ``seed`` is the training's unless it is given.
    sdsnn : SDSNNConfig
        Of SD-SNN.
    training : TrainingConfig
        Its ``seed`` draws the weights too, and what encoders and augmentation draw.
    execution : ExecutionConfig
    best_within : float
        The best epoch is the most accurate of those that are pruned as far as the last, within so much (0 to
        1): an epoch before the pruning, or before what was pruned too far grew back, is not what one wants
        to deploy.
    """

    data: DataConfig = DataConfig()
    network: NetworkConfig = NetworkConfig()
    method: Annotated[str, known_by(check_method)] = "dpap"
    pruning: DPAPConfig = DPAPConfig()
    sdsnn: SDSNNConfig = SDSNNConfig()
    training: TrainingConfig = TrainingConfig()
    execution: ExecutionConfig = ExecutionConfig()
    best_within: float = Field(0.01, ge=0, le=1)

    @model_validator(mode="after")
    def _consistent(self) -> "RunConfig":
        method_named(self.method).check(self)
        target = self.pruning.target
        if target is not None and target.epochs > self.training.epochs:
            raise ValueError(
                f"pruning.target is to be reached by epoch {target.epochs}; training.epochs is"
                f" {self.training.epochs}"
            )
        if target is not None and target.budget is not None and self.network.weight_bits is None:
            raise ValueError(
                f"pruning.target.budget {target.budget} is measured of the compiled network, and with"
                " network.weight_bits null weights are not rounded; set that to 1 to 8, or set"
                " pruning.target.pruning_rate"
            )
        return self

    def whole(self) -> "RunConfig":
        """The same with every default that depends on something else filled in.

        Raises
        ------
        InputError
            There is no network for this data set; one has to be named.
        """
        known = data_set(self.data.name)
        notation = self.network.notation or _DEFAULT_NETWORKS.get(known.name)
        if notation is None:
            raise InputError(f"network.notation is missing; {known.name} has no network of its own")
        network, steps, encoder = {"notation": notation}, known.time_steps, known.encoder
        if notation in RECIPES:
            recipe = RECIPES[notation]
            network["notation"], steps = recipe.notation, recipe.time_steps
            for name in ("neuron", "bias"):
                value = getattr(recipe, name, None)
                if value is not None and name not in self.network.model_fields_set:
                    network[name] = value
            if isinstance(encoder, Direct):
                encoder = Direct(input_max=recipe.input_max)
        data = {"time_steps": self.data.time_steps or steps, "encoder": self.data.encoder or encoder}
        pruning: dict[str, Any] = {}
        if "seed" not in self.pruning.model_fields_set:
            pruning["seed"] = self.training.seed
        importance = method_named(self.method).importance
        if importance is not None:
            pruning["importance"] = importance
        return self.model_copy(
            update={
                "data": self.data.model_copy(update=data),
                "network": self.network.model_copy(update=network),
                "pruning": self.pruning.model_copy(update=pruning),
            }
        )

    def to_yaml(self) -> str:
        """The configuration as a file from which it can be repeated."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


MOST_BITS_OF_INT = 64
"""No field needs larger ones, and Python refuses to write out enormous ones."""


def read_run_config(path: str | Path) -> dict[str, Any]:
    """The fields that a YAML file gives, not validated yet.

    Raises
    ------
    InputError
        The file is missing, is not YAML, or holds no mapping.
    """
    path = Path(path)
    try:
        content = read_yaml(read_limited(path, MAX_BYTES))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: is not YAML ({' '.join(str(error).split())})") from error
    content = {} if content is None else content
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise InputError(f"{path}: expected a mapping of fields")
    return content


def make_run_config(
    fields: Mapping[str, Any], changes: Mapping[str, Any] | None = None, where: str = "the configuration"
) -> RunConfig:
    """A validated, whole configuration.

    Parameters
    ----------
    fields : mapping
        As of :func:`read_run_config`.
    changes : mapping
        By name with dots, as in ``training.epochs``; they override the fields.
    where : str
        What the fields come from, for errors.

    Raises
    ------
    InputError
        A field is unknown or has a value that it cannot have; field, value and expectation are named.
    """
    raw = _copied(fields)
    for name, value in (changes or {}).items():
        _put(raw, name, value)
    for name, value in _flat(raw).items():
        if isinstance(value, int) and value.bit_length() > MOST_BITS_OF_INT:
            raise InputError(f"{where}: {name} is {shown(value)}; expected at most {MOST_BITS_OF_INT} bits")
    try:
        return RunConfig.model_validate(raw).whole()
    except ValidationError as error:
        raise InputError(f"{where}: {explained(error, RunConfig, raw)}") from error


def differences(one: RunConfig, other: RunConfig) -> list[str]:
    """Names of the fields that decide the result and differ."""
    left, right = (_flat(config.model_dump(mode="json", exclude={"execution"})) for config in (one, other))
    return sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name))


def _copied(fields: Any) -> Any:
    return {key: _copied(value) for key, value in fields.items()} if isinstance(fields, Mapping) else fields


def _put(raw: dict[str, Any], name: str, value: Any) -> None:
    *parents, last = name.split(".")
    for parent in parents:
        if not isinstance(raw.get(parent), dict):
            raw[parent] = {}
        raw = raw[parent]
    raw[last] = value


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {name: value}
    found: dict[str, Any] = {}
    for key, inner in value.items():
        found |= _flat(inner, f"{name}.{key}" if name else key)
    return found
