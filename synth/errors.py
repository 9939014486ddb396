"""Every error a user can cause, with the exit code of the command line.

Texts name what is wrong, where, and how to mend it. They never hold a value, a row or a count of the private table.
"""


class SynthError(Exception):
    """Base of all errors that are the user's to mend. ``exit_code`` is what ``synth`` returns."""

    exit_code = 2


class InputError(SynthError):
    """A file, table or option that cannot be used."""


class SchemaError(InputError):
    """A schema that contradicts itself or the table's header."""


class ArtifactError(InputError):
    """A ``model.synth`` that is damaged, hostile, or newer than this version."""


class RefusedError(SynthError):
    """The privacy budget or a policy does not allow the request. Nothing more was spent than the ledger says."""

    exit_code = 3


class AccountingError(SynthError):
    """Two accountants disagree, or an event is unknown: no guarantee is given rather than a wrong one."""

    exit_code = 3


class WorkerError(SynthError):
    """One of the processes of a run is gone, and the run with it. What was charged stays charged."""

    exit_code = 1


class SiteError(SynthError):
    """The sites of a run do not go on together. What was charged stays charged."""

    exit_code = 1
