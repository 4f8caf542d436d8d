"""The report: one HTML page that shows a run, with figures that open offline."""

from deploy.report.data import LayerPruning, ReportData, Variant
from deploy.report.page import render

__all__ = ["LayerPruning", "ReportData", "Variant", "render"]
