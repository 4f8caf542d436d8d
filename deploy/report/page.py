"""The page: sections in order, and everything they need in one file."""

from pathlib import Path

from plotly.offline import get_plotlyjs

from deploy.report.accuracy import accuracy_section
from deploy.report.activity import activity_section
from deploy.report.appendix import assumptions_section, measurement_section, settings_section
from deploy.report.certificate import certificate_section
from deploy.report.data import ReportData
from deploy.report.energy import energy_section
from deploy.report.markup import Html, tag
from deploy.report.pruning import pruning_section
from deploy.report.pruning_history import pruning_history_section
from deploy.report.raster import raster_section
from deploy.report.resources import resources_section
from deploy.report.savings import savings_section
from deploy.report.stopping import stopping_section
from deploy.report.style import stylesheet
from deploy.report.summary import summary
from deploy.report.training import training_section

_SECTIONS = (
    accuracy_section,
    training_section,
    pruning_history_section,
    pruning_section,
    raster_section,
    activity_section,
    energy_section,
    resources_section,
    savings_section,
    stopping_section,
    certificate_section,
    measurement_section,
    assumptions_section,
    settings_section,
)


def render(data: ReportData) -> str:
    """A complete HTML page that opens without a network: styles, plotly and data are in it.

    Parameters
    ----------
    data : ReportData
    """
    head = tag(
        "head",
        Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        tag("title", data.title),
        tag("style", Html(stylesheet())),
    )
    body = tag(
        "body",
        tag("h1", data.title),
        summary(data),
        tag("noscript", tag("p", "The plots need JavaScript; the tables below hold the same numbers.")),
        *(section(data) for section in _SECTIONS),
        tag("script", Html(get_plotlyjs())),
        tag("script", Html((Path(__file__).parent / "page.js").read_text(encoding="utf-8"))),
    )
    return Html(f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n")
