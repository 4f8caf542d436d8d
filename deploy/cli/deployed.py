"""The table of deployed networks, and the result of their certificate."""

from typing import Any

from deploy.cli.output import print_table


def print_deployed(result: Any) -> None:
    """Print a :class:`deploy.workflow.deployment.Deployment`: one column a network, the pruned one first."""
    from deploy.report.quantities import si

    variants = [one for one in (result.pruned, result.control) if one is not None]
    certificate = result.certificate

    def per_inference(count: str) -> list[str]:
        return [f"{v.measurement.total(count) / v.measurement.samples:,.0f}" for v in variants]

    rows = [
        ["test accuracy, integers", *(f"{v.accuracy:.2%}" for v in variants)],
        ["test accuracy, trained", *(f"{v.trained_accuracy:.2%}" for v in variants)],
        ["synapses pruned", *(f"{v.pruning_rate:.1%}" for v in variants)],
        ["neurons deployed", *(f"{v.graph.neurons}" for v in variants)],
        ["weights stored", *(f"{v.graph.stored_weights}" for v in variants)],
        ["spikes / inference", *per_inference("spikes")],
        ["SynOps / inference", *per_inference("synops_effective")],
    ]
    for name in result.pruned.estimate.energy:
        energies = (si(v.estimate.energy[name], "J") for v in variants)
        rows.append([f"dynamic energy / inference ({name})", *energies])
    print_table(["", *(v.label for v in variants)], rows)
    backends = ", ".join(f"{name} ({n} samples)" for name, n in certificate.samples.items())
    print(
        f"{certificate.mismatches} mismatches in {certificate.compared:,} spikes compared:"
        f" {certificate.reference} against {backends}"
    )
