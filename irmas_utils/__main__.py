"""The command line: ``python -m irmas_utils COMMAND …``, installed as ``irmas COMMAND …``.

Each command imports what it needs when it runs, and what a wrong path needs no import to tell is
told before: TensorFlow alone takes seconds.
"""

import logging
import os
import signal
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from irmas_utils.project import files, paths
from irmas_utils.project.errors import AudioError, DataError, IrmasError, ModelError, NotebookError

if TYPE_CHECKING:
    from pandas import DataFrame

    from irmas_utils.project.settings import Settings


_PROFILE = {"type": paths.given_profile, "help": "name of a profile, or a YAML file"}

COMMANDS: dict[str, tuple[Callable[[Namespace], int | None], dict[str, dict[str, Any]]]] = {}
"""Name to what a command runs, and its arguments as `ArgumentParser.add_argument` takes them."""


def count(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError(text)
    return number


def numbers(text: str) -> list[float]:
    return [float(each) for each in text.split(",")]


def _command(arguments: dict[str, dict[str, Any]]) -> Callable:
    """Enter a function as the command of its name."""
    return lambda run: COMMANDS.setdefault(run.__name__.strip("_"), (run, arguments))


@_command({
    "--profile": _PROFILE | {"default": "sample"},
    "--notebook": {"action": "append", "default": [], "metavar": "NAME",
                   "help": "this one alone, with what it needs; may be repeated"},
    "--cores": {"type": count, "default": os.cpu_count() or 1},
    "--cluster": {"choices": ["slurm"], "help": "submit the jobs (docs/cluster.md)"},
    "--gpus": {"type": int, "default": 0, "help": "that a job which trains asks a cluster for"},
})  # fmt: skip
def _paper(options: Namespace) -> int:
    """Run the paper, or some notebooks of it; options that are not below go to Snakemake."""
    settings = _settings(options)
    from irmas_utils.data import fetch, index
    from irmas_utils.paper import workflow

    needs_none = settings.corpus.source != "irmas" or workflow.is_dry(options.others)
    if not (needs_none or os.environ.get("IRMAS_DATA") or index.folders(paths.data_root())):
        fetch.irmas()
    where = options.cores, options.others, options.cluster, options.gpus
    return workflow.run(options.profile, options.notebook, *where)


@_command({
    "--profile": _PROFILE | {"default": "sample"},
    "--cores": {"type": count, "action": "append", "default": []},
})  # fmt: skip
def _estimate(options: Namespace) -> None:
    """Say what a profile costs: hours by job and number of cores, memory, disk."""
    settings = _settings(options)
    os.environ["OMP_NUM_THREADS"] = "1"  # as of every job
    from irmas_utils.metrics import tables
    from irmas_utils.paper import estimate

    table = estimate.estimate(settings)
    for part in estimate.tables(table, settings, options.cores or estimate.CORES):
        print(tables.markdown(part, ".3g"), end="\n\n")
    print(estimate.in_words(table, settings, options.cores[0] if options.cores else os.cpu_count()))


@_command({
    "name": {"help": "a file in figures/, without its suffix"},
    "--profile": _PROFILE | {"default": "sample"},
})  # fmt: skip
def _figure(options: Namespace) -> int:
    """Redraw one figure of a finished run from what is stored."""
    from irmas_utils.paper import workflow

    return workflow.redraw(options.profile, options.name)


@_command({
    "files": {"nargs": "+", "metavar": "FILE|FOLDER"},
    "--json": {"dest": "form", "action": "append_const", "const": "json", "default": [],
               "help": "print a list with an entry a file"},
    "--csv": {"dest": "form", "action": "append_const", "const": "csv",
              "help": "print a table with a row a file"},
    "--html": {"dest": "wanted", "action": "append_const", "const": "html", "default": [],
               "help": "write a page of each file: waveform, instruments over time, player"},
    "--labels": {"dest": "wanted", "action": "append_const", "const": "labels",
                 "help": "write a label track of each file for Audacity"},
    "--out": {"type": paths.given, "default": Path(),
              "help": "folder for what is written (here); what is there stays"},
    "--model": {"type": paths.given, "help": "a saved model (.keras, with its .json)"},
})  # fmt: skip
def _predict(options: Namespace) -> int:
    """Name the instruments in audio files, with the best model at hand or the one named."""
    if len({*options.form}) > 1:
        options.refuse("--json or --csv: both would be printed into each other")
    if not (options.form or any(map(os.path.lexists, options.files))):  # those at hand are read
        files.require(options.files[0], AudioError, "an audio file, or a folder of some")
    if options.model:
        files.require(files.suffixed(options.model, ".keras"), ModelError, "a .keras file")
    from irmas_utils.systems import answers

    form = options.form[0] if options.form else None
    what = options.files, options.model, form, options.wanted, options.out
    return int(answers.tell(*what) > 0)


@_command({
    "answers": {"type": paths.given, "metavar": "ANSWERS.CSV",
                "help": "a row a clip: its name, and a score or a decision (0, 1) for each label"},
    "--profile": _PROFILE | {"default": "full", "help": "whose data set has the labels"},
    "--labels": {"type": paths.given, "help": "from this CSV: clip, labels, recording, split"},
    "--threshold": {"type": numbers, "help": "number, or one a label, commas between them"},
    "--validation": {"type": paths.given, "help": "scores of other clips, to choose it on"},
    "--against": {"type": paths.given, "help": "another system's answers, to test the difference"},
    "--against-threshold": {"type": numbers},
    "--against-validation": {"type": paths.given},
    "--format": {"choices": ["markdown", "latex", "json"], "default": "markdown"},
})  # fmt: skip
def _score(options: Namespace) -> None:
    """Score any system's answers, with intervals, beside trivial and published systems."""
    source = options.labels or _settings(options)
    from irmas_utils.metrics import scorer

    ours = scorer.System(options.answers, options.threshold, options.validation)
    other = scorer.System(options.against, options.against_threshold, options.against_validation)
    if any(other) and not options.against:
        raise DataError("--against", "no file", "one, since its options are given", "Name it.")
    found = scorer.score(ours, scorer.truth(source), other if options.against else None)
    print(scorer.render(found, options.format))


@_command({
    "--profile": _PROFILE | {"default": "full", "help": "whose data set is split"},
    "--labels": {"type": paths.given, "help": "split this CSV instead: file, labels, recording"},
    "--fraction": {"type": float, "default": 0.15,
                   "help": "for validation, or the nearest of 1/2, 1/3, 1/4 …; default: 0.15"},
    "--folds": {"type": int, "default": 5, "help": "of cross-validation; default: 5"},
    "--seed": {"type": int, "default": 2022},
    "--to": {"type": paths.given, "help": "a CSV file; without it, the terminal"},
})  # fmt: skip
def _split(options: Namespace) -> None:
    """Write leak-free splits as CSV: recordings stay together, identical files count as one."""
    settings = None if options.labels else _settings(options)
    if options.labels and options.to and options.labels.resolve() == options.to.resolve():
        expected, remedy = "another file: its other columns would be lost", "Name another."
        raise DataError("--to", found="the file that is split", expected=expected, remedy=remedy)
    from irmas_utils.data import collection, corpus

    index = corpus.load(settings) if settings else collection.read_audio(options.labels)[0]
    table = corpus.split_table(index, options.fraction, options.seed, options.folds)
    if settings:  # others have it elsewhere
        root = corpus.folder(settings)
        table["file"] = [os.path.relpath(file, root) for file in table["file"]]
    text = table.to_csv(index=False)
    print(text, end="") if options.to is None else files.write_text(options.to, text)


@_command({
    "collection": {"type": paths.given, "help": "a CSV: file, labels, recording, split"},
    "--to": {"type": paths.given, "required": True, "metavar": "MODEL"},
    "--network": {"choices": ["han", "mn04"], "default": "han"},
    "--profile": _PROFILE | {"default": "full", "help": "whose plan the network is trained by"},
    "-p": {"nargs": 2, "action": "append", "default": [], "metavar": ("KEY", "VALUE"),
           "help": "a key of the plan and its value, such as: -p epochs 20"},
})  # fmt: skip
def _train(options: Namespace) -> None:
    """Train a network on a collection of your own (docs/own_collection.md)."""
    files.require(options.collection, DataError, "a CSV file")
    settings = _settings(options)
    files.require_writable(options.to)
    from irmas_utils.project import execute
    from irmas_utils.systems.networks import own

    change = {key: execute.parse_value(text) for key, text in options.p}
    own.train(options.collection, options.to, options.network, settings, change)
    print(f"trained: {files.suffixed(options.to, '.keras')}")


@_command({
    "a": {"metavar": "A", "help": "a results folder, a profile, or a commit, for its sample run"},
    "b": {"metavar": "B", "help": "another"},
})  # fmt: skip
def _diff(options: Namespace) -> None:
    """Say what differs between two runs, and whether their scores do."""
    from irmas_utils.paper import diff

    found = diff.diff(options.a, options.b)
    for what, table in zip(("settings and code", "scores"), found, strict=True):
        _tell(table, f"Nothing differs in the {what}.")


_SCORES = ("precision", "recall", "f1", "macro-precision", "macro-recall", "macro-f1", "lrap")


@_command(
    {f"--{name}": {"dest": name, "metavar": "X", "help": "as printed: .38"} for name in _SCORES}
)
def _audit(options: Namespace) -> None:
    """Say whether scores stated for IRMAS's testing set are possible, and what they tell."""
    stated = {name: text for name in _SCORES if (text := getattr(options, name)) is not None}
    if not stated:
        remedy = "State it: irmas audit --f1 .38"
        raise DataError("audit", "no score", "a score at least", remedy)
    from irmas_utils.paper import audit

    for table, none in zip(audit.audit(stated), ("check these alone", "compare"), strict=True):
        _tell(table, f"Nothing is published to {none} with.")


@_command({
    "claim": {"nargs": "?", "help": "its name in the ledger; without one, all are listed"},
    "--profile": _PROFILE | {"default": "full", "help": "what a claim is run under, if need be"},
})  # fmt: skip
def _verify(options: Namespace) -> int:
    """Run what decides one of the paper's claims, or list them with their verdicts."""
    _settings(options)
    from irmas_utils.paper.claims import verify

    return verify.verify(options.claim, options.profile)


@_command({"--to": {"type": paths.given, "help": "target folder (default: $IRMAS_DATA or data/)"}})
def _download(options: Namespace) -> None:
    """Fetch the real IRMAS data set from Zenodo, 11 GB; what is there already is left alone."""
    from irmas_utils.data import fetch

    print(f"IRMAS is in {fetch.irmas(options.to)}")


@_command({
    "notebook": {"type": paths.given},
    "output": {"type": paths.given},
    "-p": {"nargs": 2, "action": "append", "default": [], "metavar": ("KEY", "VALUE"),
           "help": "a parameter of the notebook: a number, true, false, null, JSON or text"},
})  # fmt: skip
def _execute(options: Namespace) -> None:
    """Run one notebook with papermill; a misspelt parameter is an error."""
    start = time.monotonic()
    files.require(options.notebook, NotebookError, "a Jupyter notebook")
    from irmas_utils.project import execute

    parameters = execute.read_parameters(options.notebook, dict(options.p))
    execute.execute(options.notebook, options.output, parameters)
    seconds = time.monotonic() - start
    print(f"{options.output.stem}: executed in {seconds:.0f} s", flush=True)


@_command({"profile": _PROFILE, "output": {"type": paths.given}})
def _corpus(options: Namespace) -> None:
    """Make sure that a profile's data set is there, and write what it is to a JSON file."""
    settings = _settings(options)
    from irmas_utils.data import corpus

    description = corpus.describe(settings)
    files.write_json(options.output, description)
    clips = ", ".join(f"{count} {split}" for split, count in description["clips"].items())
    print(f"data: {description['name']}; clips: {clips}", flush=True)


@_command({"profile": _PROFILE})
def _site(options: Namespace) -> None:
    """Join the manifests of a profile's executed notebooks, and turn these into web pages."""
    settings = _settings(options)
    from irmas_utils.paper import site

    print(f"site: {site.build(settings, options.profile)}", flush=True)


def _tell(table: "DataFrame", none: str) -> None:
    from irmas_utils.metrics import tables

    print(tables.markdown(tables.with_p(table)) if len(table) else none, end="\n\n")


def _settings(options: Namespace) -> "Settings":
    """Read the profile first of all: a misspelt one is told of before anything slow begins."""
    from irmas_utils.project import settings

    return settings.load(options.profile)


def _parser() -> ArgumentParser:
    parser = ArgumentParser("irmas", description="The paper, re-run, and its recognizer.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (run, arguments) in COMMANDS.items():
        texts = {"help": run.__doc__, "description": run.__doc__}
        command = commands.add_parser(name, **texts, allow_abbrev=False)
        command.set_defaults(run=run, refuse=command.error)
        for argument, options in arguments.items():
            command.add_argument(argument, **options)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed, as some that start programs at night leave it
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - for as long as it runs
        # A name in a file system may be no text at all.
        getattr(getattr(sys, name), "reconfigure", dict)(errors="backslashreplace")
    for number in (signal.SIGINT, signal.SIGTERM):  # what is temporary goes, without complaints
        signal.signal(number, lambda *_: logging.disable() or signal.default_int_handler(*_))
    try:
        paths.settle()
        options, others = _parser().parse_known_args(arguments)
        options.others = [other for other in others if other != "--"]  # what follows is Snakemake's
        if options.others and options.command != "paper":
            options.refuse(f"unrecognized arguments: {' '.join(options.others)}")
        status = options.run(options) or 0
        sys.stdout.flush()
        return status
    except IrmasError as error:
        print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, `head` for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, UnicodeError, MemoryError) as error:  # a disk that is full, for example
        print(f"error: {error or 'more memory is needed than there is'}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
