"""A first experiment file and its policy, drafted from a table and a teacher.

``look`` reads the table, ``draft`` writes both texts: what is likely is chosen, what cannot be known is the caller's to
say, and the policy's limits are those that so many rows can certify.
"""

from autodistill.draft.assumed import SPREAD, Certified, certified
from autodistill.draft.drafting import Choices, Draft, draft, guess_positive, guess_task
from autodistill.draft.lines import Margin
from autodistill.draft.looking import Column, Looked, look
from autodistill.draft.margins import Margins

__all__ = [
    "SPREAD",
    "Certified",
    "Choices",
    "Column",
    "Draft",
    "Looked",
    "Margin",
    "Margins",
    "certified",
    "draft",
    "guess_positive",
    "guess_task",
    "look",
]
