"""The sample corpus on disk: rendered once, by several processes, and whole or not there."""

import collections
import hashlib
import json
import unicodedata
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import symusic
from tqdm import tqdm

from irmas_utils.data.sample import composer, plan, render
from irmas_utils.data.sample import soundfont as _font
from irmas_utils.project import files, parallel, paths

# Raise it whenever the same settings would give other bytes.
COMPOSER_VERSION = 2
MARKER = "SAMPLE_CORPUS.json"
README = """\
This is the SAMPLE CORPUS of irmas-notebooks. It is not IRMAS.

A program composed this music and a General MIDI synthesizer played it. The folders, names and
formats are those of IRMAS, so that everything runs without a download. Performers and titles
are invented. Scores on it say whether the code works, and nothing about real music.

{marker} holds the settings that it was made with. It may be deleted: it is made again when
it is needed.
"""


def ensure(
    *,
    training_clips: int,
    testing_clips: int,
    seed: int,
    soundfont: str | None = None,
    jobs: int | None = None,
    progress: bool = True,
) -> Path:
    """Return the data root of a sample corpus, rendering it into the cache if it is not there.

    An interrupted rendering goes on; calls at the same time wait for each other. The same seed
    gives the same files bit for bit, whatever the number of processes, `jobs`. DataError if a size
    is not 11 to 6705 and 11 to 2874 clips, or the soundfont is unusable.
    """
    sizes = {"training_clips": training_clips, "testing_clips": testing_clips, "seed": seed}
    made_from = sizes | {
        "soundfont_sha256": files.sha256(_font.find(soundfont)),
        "composer_version": COMPOSER_VERSION,
        "symusic_version": symusic.__version__,
    }
    digest = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:10]
    name = f"{training_clips}+{testing_clips}-seed{seed}-{digest}"
    root, settings = paths.cache_root() / "sample" / name, made_from | {"soundfont": soundfont}
    if not root.is_dir():
        with files.locked(root.with_name(f".{root.name}.lock")):
            # Another process may have finished it while this one waited.
            if not root.is_dir():
                _make(root, settings, jobs or parallel.cores(), progress)
    return root


def stems(
    name: str, *, training_clips: int, testing_clips: int, seed: int, soundfont: str | None = None
) -> dict[str, np.ndarray]:
    """Render the true stems of the clip called `name`, whether or not its corpus is there.

    Each is float32 (n_samples, 2) at 44.1 kHz, under one of `composer.ROLES`: the first labelled
    player is the melody, other labelled ones and the accompaniment are "other". KeyError if there
    is no such clip; else as `ensure`.
    """
    recordings = plan.recordings(training_clips, testing_clips, seed)
    clips = {Path(c.path).stem: (r, c) for r in recordings for c in r.clips}
    recording, clip = clips[unicodedata.normalize("NFC", name)]
    font = _font.retuned(_font.find(soundfont))
    whole = render.stems(composer.compose(recording), font)
    return {role: _cut(stem, clip) for role, stem in whole.items()}


def _make(root: Path, settings: dict[str, Any], jobs: int, progress: bool) -> None:
    todo = plan.recordings(*(settings[k] for k in ("training_clips", "testing_clips", "seed")))
    folder = root.with_name(f"{root.name}.partial")
    for leftover in folder.rglob(".tmp-*"):
        leftover.unlink()
    files.write_text(folder / "README.txt", README.format(marker=MARKER))
    font = _font.retuned(_font.find(settings["soundfont"]))
    record = partial(_record, folder=folder, soundfont=font)
    recorded = parallel.run(record, todo, jobs, chunk=1)
    bar = tqdm(recorded, "sample corpus", len(todo), unit="recording", disable=not progress)
    collections.deque(bar, maxlen=0)
    what = "the sample corpus of irmas-notebooks, synthetic, not IRMAS"
    files.write_json(folder / MARKER, {"what": what, "settings": settings})
    folder.rename(root)


def _record(recording: plan.Recording, folder: Path, soundfont: Path) -> None:
    """Write the clips of one recording, unless they are there."""
    targets = {clip: folder / clip.path for clip in recording.clips}
    if not recording.is_training:
        labels = "".join(f"{code}\t\n" for code in recording.labels)
        files.write_text(targets[recording.clips[0]].with_suffix(".txt"), labels)
    if not all(target.is_file() for target in targets.values()):
        audio = render.mixture(composer.compose(recording), soundfont)
        for clip, target in targets.items():
            samples = np.rint(_cut(audio, clip) * 32767).astype(np.int16)
            with files.replacing(target) as temporary:
                soundfile.write(temporary, samples, plan.SAMPLE_RATE, subtype="PCM_16")


def _cut(audio: np.ndarray, clip: plan.Clip) -> np.ndarray:
    start = round(clip.start * plan.SAMPLE_RATE)
    return audio[start : start + round((clip.stop - clip.start) * plan.SAMPLE_RATE)]
