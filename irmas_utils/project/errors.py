"""Errors that a user can meet and mend: what is at fault, found, expected, and to be done."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

Option = TypeVar("Option")
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def printable(text: str | Path) -> str:
    """Return a name in one line that gives a terminal no commands, whatever is in it."""
    return _CONTROL.sub(lambda char: ascii(char[0])[1:-1], str(text))


class IrmasError(Exception):
    """Base of every error that this package raises on purpose, made of the parts of its sentence.

    `where` is the file, folder, setting or argument at fault, `remedy` what the user can do.
    """

    def __init__(self, where: str | Path, found: str, expected: str, remedy: str) -> None:
        self.where, self.found, self.expected, self.remedy = str(where), found, expected, remedy
        self.args = self.where, found, expected, remedy  # so that it can cross to another process

    def __str__(self) -> str:
        told = f"found {self.found}; expected {self.expected}. {self.remedy}"
        return f"{printable(self.where)}: " + "\n".join(map(printable, told.split("\n")))

    def _render_traceback_(self) -> list[str]:
        """Show a reader of a notebook this error, and not the way to it."""
        return [f"{type(self).__name__}: {self}"]


class SettingsError(IrmasError):
    """A profile or an override has an unknown key, a missing key or a value of the wrong type."""


class DataError(IrmasError):
    """The data set, or a clip in it, is missing or malformed."""


class AudioError(IrmasError):
    """An audio file cannot be read, or holds something that cannot be used."""


class DiskError(IrmasError, OSError):
    """A file cannot be written: its folder is another's or read-only, or the disk is full."""


class DownloadError(IrmasError):
    """A file could not be fetched, or is not the file that was asked for."""


class NotebookError(IrmasError):
    """A notebook cannot be executed, or failed while it was."""


class TrainingError(IrmasError):
    """A training run cannot go on, for example because its loss is not a number."""


class CheckpointError(TrainingError):
    """What an unfinished training has left is damaged, or of another one."""


class ModelError(IrmasError):
    """A saved model is damaged, or was written by an incompatible version."""


def chosen(options: Mapping[str, Option], name: str, where: str) -> Option:
    """Return the option that a setting, `where`, names. SettingsError says which there are."""
    if name not in options:
        raise SettingsError(where, repr(name), f"one of {', '.join(options)}", "Correct the name.")
    return options[name]
