"""The errors a user can cause. Each says what is wrong, where, and what to do next; the command line exits with 2.

The first paragraph of a class is what it means, the second what to do: ``docs/errors.md`` is written from them.
"""


class UserError(Exception):
    """The command, or something on this machine that it needs, is wrong. All others below are kinds of it.

    The line names the part of the command and what it could be instead; ``autodistill VERB --help`` lists every option,
    ``autodistill doctor`` what this machine lacks. In Python its parts are ``what``, ``where`` and ``do``.
    """

    def __init__(self, what: str, *, where: str = "", do: str = "") -> None:
        self.what, self.where, self.do = what, where, do
        line = f"{where}: {what}" if where else what
        super().__init__(" ".join((f"{line}; {do}" if do else line).split()))


class SpecError(UserError):
    """The experiment file or the policy is wrong: a key, a value, or two that contradict each other.

    Mend the line that is named, then `autodistill check FILE`: it trains nothing. `autodistill list` shows every name
    and option that a file may have, `autodistill init` writes a file to begin from.
    """


class TableError(UserError):
    """The table is wrong, or does not fit the experiment file: a column that is not there, cells that cannot be read.

    Rows count from 0, the header apart. Mend the cells, name the column under `drop`, or correct its name in the
    experiment file.
    """


class TeacherError(UserError):
    """The teacher cannot be loaded or fitted, or does not fit the table: other classes or columns, no probabilities.

    Both sides are shown where they differ. `autodistill list teachers` shows the options by which classes and columns
    are matched; a pickle is read only with `trust: true`.
    """


class StudentError(UserError):
    """A student cannot be built, trained or exported as asked; in a search that candidate is broken, others go on.

    `autodistill show RUN --all` names the candidate. Take that family or loss out of the experiment file, or give it
    what it needs: more classes, a lower learning rate, a teacher with features.
    """


class ArtefactError(UserError):
    """An artefact (an ONNX file) cannot be opened or run, or is not the file that was audited.

    Restore it from where it was exported, or run the search again: what is measured and audited is this file alone.
    """


class RunError(UserError):
    """The run's folder is not there, is in use, belongs to another experiment, or cannot be written.

    Name a run's folder such as `reports/NAME`, or give the new run one of its own with `--out DIR`. A search that was
    interrupted goes on by the same command.
    """


class LedgerError(UserError):
    """The ledger (`ledger.jsonl`) is damaged or was changed, or cannot be written; nothing is read until it is whole.

    `autodistill verify RUN` names every fault. Restore the file from a copy; `autodistill verify RUN --repair` cuts off
    a torn last line and vouches for the rest, after which earlier decisions no longer stand.
    """


class LevelSpentError(LedgerError):
    """These rows were judged as often as the policy allows (`looks`, for sealed rows `openings`); the ledger is whole.

    A search or an audit says INCONCLUSIVE then, since another look at the same rows proves nothing. Bring fresh rows.
    More looks have to stand in the policy before the first: each is paid for with a share of its level.
    """


class SignatureError(UserError):
    """A key cannot be used, or what is signed does not hold.

    `autodistill keygen` makes a key pair; the public half goes into `policies/trust.yaml`, the private one is readable
    by its owner only (`chmod 600`). Where a statement does not hold, `autodistill verify RUN` says which file
    was changed.
    """
