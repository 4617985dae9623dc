"""Write, read and render a run's report: ``report.json``, ``report.html``, ``front.png``, ``candidates.csv``."""

from autodistill.report.against import rows as compared
from autodistill.report.against import shown as comparison
from autodistill.report.attributed import line as attribution
from autodistill.report.files import read, write
from autodistill.report.grouped import rows as group_data
from autodistill.report.grouped import sentences as group_words
from autodistill.report.names import shorten
from autodistill.report.render import html
from autodistill.report.sentences import sentence
from autodistill.report.terms import model

__all__ = [
    "attribution",
    "compared",
    "comparison",
    "group_data",
    "group_words",
    "html",
    "model",
    "read",
    "sentence",
    "shorten",
    "write",
]
