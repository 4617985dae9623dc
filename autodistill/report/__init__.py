"""Write, read and render a run's report: ``report.json``, ``report.html``, ``front.png``, ``candidates.csv``."""

from autodistill.report.files import read, write
from autodistill.report.render import html
from autodistill.report.sentences import sentence

__all__ = ["html", "read", "sentence", "write"]
