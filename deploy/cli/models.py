"""Models that commands take: a run's folder, a checkpoint, a compiled model, or a network in NIR."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dpap.checkpoint import BEST_FILE, OLD_FILES
from dpap.errors import DataError, InputError

if TYPE_CHECKING:
    import numpy as np

    from deploy.ir import Graph
    from dpap.data import Split
    from dpap.networks import Network
    from dpap.training.run_config import RunConfig

COMPILED = "model.h5"
"""The compiled model in a folder that holds no checkpoint."""

DEFAULT_DATA = "digits"


@dataclass(frozen=True, eq=False)
class Model:
    """A model that was loaded from a path.

    Attributes
    ----------
    compiled : Graph or None
        Of a ``.h5``.
    network : Network or None
        Of all others.
    config : RunConfig or None
        Of the run whose folder it is.
    """

    compiled: "Graph | None" = None
    network: "Network | None" = None
    config: "RunConfig | None" = None

    @cached_property
    def graph(self) -> "Graph":
        """The integers; a network is compiled, which raises as :func:`deploy.compile`."""
        if self.compiled is not None:
            return self.compiled
        from deploy.compiler.compilation import compile

        return compile(self.network)

    def data_name(self, data: str | None) -> str:
        """The data set, or file, that is taken where ``data`` was named, or nothing was."""
        if data is not None:
            return data
        return DEFAULT_DATA if self.config is None else self.config.data.name

    def inputs(
        self,
        data: str | None,
        samples: int | None,
        *,
        part: str = "test",
        encoder: str | None = None,
        subset: bool = False,
    ) -> "tuple[np.ndarray, np.ndarray | None]":
        """Inputs ``(N, T, *input_shape)``, and labels where the data has them (:func:`load_inputs`).

        By default they are those of the run's data set, encoded as the network learned them; of a model
        that is no run, the digits.

        Raises
        ------
        DataError
            As :func:`load_inputs`, or there is no sample.
        """
        from deploy.cli.data import load_inputs

        if data is None and self.config is not None:
            split = self._run_split(part, encoder, subset)
            inputs, labels = split.over_time(self.graph.time_steps, samples), split.labels[:samples]
        else:
            name = self.data_name(data)
            inputs, labels = load_inputs(self.graph, name, samples, part=part, encoder=encoder, subset=subset)
        if not len(inputs):
            raise DataError(f"data {self.data_name(data)!r} holds no sample; at least one is needed")
        return inputs, labels

    def split(
        self, data: str | None, *, part: str, encoder: str | None = None, subset: bool = False
    ) -> "Split":
        """The same as a split; only of a data set."""
        from deploy.cli.data import load_split

        if data is None and self.config is not None:
            return self._run_split(part, encoder, subset)
        return load_split(self._shaped, self.data_name(data), part=part, encoder=encoder, subset=subset)

    def _run_split(self, part: str, encoder: str | None, subset: bool) -> "Split":
        from deploy.cli.data import load_split
        from deploy.workflow.trained_run import run_split

        if encoder is not None:
            subset = subset or self.config.data.subset
            name = self.config.data.name
            return load_split(self._shaped, name, part=part, encoder=encoder, subset=subset)
        return run_split(self.config, part, subset=subset)

    @property
    def _shaped(self) -> "Graph | Network":
        """The object that has T, shape and largest value of the inputs."""
        return self.compiled if self.network is None else self.network


def load_model(path: Path, **nir: int | float | str | None) -> Model:
    """Read a model; a network is compiled when its graph is first used.

    Parameters
    ----------
    path : Path
        The folder of a run of ``dpap train``, ``demo`` or ``quantize``; a checkpoint, a ``.h5`` or ``.nir``.
    nir
        What a ``.nir`` file may leave open, arguments of :func:`deploy.from_nir`: ``time_steps``,
        ``input_max``, ``dt``, ``reset``. None is not given; refused for others.

    Raises
    ------
    InputError
        There is no such model, or it is damaged, or an option is not of its kind.
    """
    given = {name: value for name, value in nir.items() if value is not None}
    if path.suffix == ".nir" and not path.is_dir():
        return _from_nir(path, given)
    if given:
        wrong = [f"--{name.replace('_', '-')}" for name in given]
        raise InputError(f"{' and '.join(wrong)}: only for a .nir file, and this is {path}; leave it out")
    if path.is_dir():
        return _from_folder(path)
    if path.suffix in {Path(name).suffix for name in (BEST_FILE, *OLD_FILES)}:
        return _from_checkpoint(path)
    from deploy.formats.h5 import load

    return Model(load(path))


def _from_folder(folder: Path) -> Model:
    from dpap.training.run_config import make_run_config, read_run_config
    from dpap.training.run_files import RunFiles

    files, compiled = RunFiles(folder), folder / COMPILED
    config = None
    if files.config.is_file():
        config = make_run_config(read_run_config(files.config), where=str(files.config))
    # A model.h5 beside it may be of an earlier epoch.
    if files.best.is_file():
        return _from_checkpoint(files.best, config)
    if compiled.is_file():
        from deploy.formats.h5 import load

        return Model(load(compiled), config=config)
    raise InputError(
        f"{folder} holds neither {files.best.name} nor {COMPILED}; name the folder of a run of dpap train, a"
        " checkpoint, a .h5 or a .nir file"
    )


def _from_checkpoint(path: Path, config: "RunConfig | None" = None) -> Model:
    from dpap.checkpoint import load_checkpoint

    return Model(network=load_checkpoint(path)[0], config=config)


def _from_nir(path: Path, given: dict[str, int | float | str]) -> Model:
    from deploy.formats.nir import from_nir

    return Model(network=from_nir(path, **given))
