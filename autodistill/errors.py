"""The errors a user can cause. Each says what is wrong, where, and what to do next; the command line exits with 2."""


class UserError(Exception):
    """One line for a person: ``where: what; do``.

    ``what`` names the fault, ``where`` the place (file, line, key, column, row), ``do`` the way on.
    """

    def __init__(self, what: str, *, where: str = "", do: str = "") -> None:
        self.what, self.where, self.do = what, where, do
        line = f"{where}: {what}" if where else what
        super().__init__(" ".join((f"{line}; {do}" if do else line).split()))


class SpecError(UserError):
    """The experiment file or the policy is wrong."""


class TableError(UserError):
    """The table is wrong, or does not fit the experiment file."""


class TeacherError(UserError):
    """The teacher cannot be loaded or fitted, or does not fit the table."""


class StudentError(UserError):
    """A student cannot be built, trained or exported as asked."""


class ArtefactError(UserError):
    """An artefact cannot be opened or run."""


class RunError(UserError):
    """The run folder is locked, belongs to another experiment, or cannot be written."""


class LedgerError(UserError):
    """The ledger is broken, or refuses another look."""


class LevelSpentError(LedgerError):
    """The rows' level is spent: no further look, and the ledger is whole."""


class SignatureError(UserError):
    """A key cannot be used, or what is signed does not hold."""
