"""``dpap doctor``."""

from dataclasses import asdict
from typing import Annotated

import typer

from deploy.cli.output import print_json, print_table


def command(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Show which versions are installed, and which features of Lava and Loihi work here."""
    from deploy.workflow.doctor import BROKEN, examine
    from deploy.workflow.versions import versions

    installed, checks = versions(), examine()
    if json:
        print_json({"versions": installed, "checks": [asdict(check) for check in checks]})
    else:
        print_table(["package", "version"], [list(item) for item in installed.items()])
        print_table(["part", "status", "detail"], [[c.name, c.status, c.detail] for c in checks])
    if any(check.status == BROKEN for check in checks):
        raise typer.Exit(1)
