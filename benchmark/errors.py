"""What can be wrong with an input. The command prints these as one paragraph and exits with 1 (OptionError: 2)."""

from collections.abc import Sequence

SHOWN = 10


def first_of(names: Sequence[str]) -> str:
    """The first ten names for a message, and how many more there are."""
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


class InputError(Exception):
    """The input is at fault. The message names the file, the frame, what came, what was expected, what to do."""


class SplitError(InputError):
    """A split is unknown, altered or unreadable."""


class ProtocolError(InputError):
    """A protocol file has unknown, missing or mistyped keys, or does not fit the request."""


class GroundTruthError(InputError):
    """A ground-truth file is damaged, hostile, or belongs to something else."""


class PredictionError(InputError):
    """A prediction file cannot be scored as it is."""


class TrajectoryError(InputError):
    """A file of camera poses is damaged, ambiguous, or does not fit the ground truth."""


class DatasetError(InputError):
    """A raw data file is missing, truncated or inconsistent."""


class ResultError(InputError):
    """A result file cannot be written or does not follow the schema."""


class TrainingError(InputError):
    """A recipe, checkpoint, cache or hint is damaged, missing or belongs to something else, or training went wrong."""


class OptionError(InputError):
    """Options that do not fit together, or a value that an option cannot have; the command exits with 2."""
