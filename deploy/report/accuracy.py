"""Accuracy of the trained networks and of the integer graphs compiled from them."""

from deploy.report.data import ReportData
from deploy.report.markup import Html, paragraph, section, table
from deploy.report.quantities import accuracy, exact


def accuracy_section(data: ReportData) -> Html:
    """Accuracy in torch and of the integer graph on the whole test split, and their difference."""
    rows = [
        (
            network.label,
            accuracy(network.trained_accuracy),
            accuracy(network.accuracy),
            f"{100 * (network.accuracy - network.trained_accuracy):+.2f}",
            exact(network.tested),
        )
        for network in data.networks
    ]
    head = ("network", "trained, in torch", "compiled to integers", "difference (points)", "test samples")
    return section(
        "accuracy",
        "Accuracy, trained and compiled",
        paragraph(
            "Share of all test samples that are classified correctly, by the trained network in torch and by"
            " the integer graph that is deployed. Of classes that fire alike the lowest is taken."
        ),
        table(head, rows),
    )
