"""Mutate files of every kind that the program reads, and read each in a child with limits.

A file is read, or refused by a typed error, in 10 s of processor time and 1 GB over what the program has::

    PYTHONPATH=tests:. python tests/mutate_files.py --count 10000 --keep /tmp/fallen

Mutant ``n`` of a sample is drawn by the sample's name and ``n`` alone. What falls is printed with the name
and number that make it again, and kept where ``--keep`` says.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    # Children are forked, and a pool of threads does not survive that.
    os.environ.setdefault(_name, "1")
os.environ.setdefault("NUMBA_THREADING_LAYER", "workqueue")

from mutation.mutations import mutate  # noqa: E402
from mutation.samples import TYPED, Sample, make_samples  # noqa: E402
from mutation.sandbox import Outcome, attempt  # noqa: E402


@dataclass(frozen=True)
class Fallen:
    """A mutant that was neither read nor refused as it should be."""

    sample: str
    number: int
    outcome: Outcome

    def __str__(self) -> str:
        outcome = self.outcome
        return (
            f"{self.sample} {self.number}: {outcome.kind} after {outcome.seconds:.1f} s and"
            f" {outcome.bytes >> 20} MiB: {outcome.detail}"
        )


def read_mutants(
    sample: Sample, numbers: range, folder: Path, keep: Path | None = None
) -> tuple[list[Fallen], Counter]:
    """Read mutants of a sample; those that fell, and how many ended how."""
    fallen, kinds = [], Counter()
    target = folder / sample.path.name
    other = sample.path.read_bytes()
    for number in numbers:
        target.unlink(missing_ok=True)
        mutate(sample.family, sample.path, target, Random(f"{sample.name}/{number}"), other)
        outcome = attempt(lambda: sample.read(target), TYPED)
        kinds[outcome.kind] += 1
        if not outcome.good:
            fallen.append(Fallen(sample.name, number, outcome))
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(target, keep / f"{sample.name.replace('/', '-')}.{number}")
    return fallen, kinds


def main() -> int:
    """Mutate and read; the status is 1 where a mutant fell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000, help="mutants of all kinds together")
    parser.add_argument("--first", type=int, default=0, help="number of the first of each kind")
    parser.add_argument("--only", default="", help="kinds whose names hold this")
    parser.add_argument("--keep", type=Path, help="folder for what falls")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples = [sample for sample in make_samples(folder / "valid") if options.only in sample.name]
        numbers = range(options.first, options.first + -(-options.count // max(len(samples), 1)))
        (folder / "mutants").mkdir()
        fell = 0
        for sample in samples:
            unchanged = attempt(lambda sample=sample: sample.read(sample.path), TYPED)
            assert unchanged.kind == "loaded", f"{sample.name}: {unchanged}"
            fallen, kinds = read_mutants(sample, numbers, folder / "mutants", options.keep)
            fell += len(fallen)
            counts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
            print(f"{sample.name}: {counts}", flush=True)
            for one in fallen:
                print(f"    {one}", flush=True)
    return int(fell > 0)


if __name__ == "__main__":
    sys.exit(main())
