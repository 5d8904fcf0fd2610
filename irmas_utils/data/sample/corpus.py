"""The sample corpus on disk: rendered once, by several processes, and whole or rendered again."""

import hashlib
import json
import os
import shutil
import unicodedata
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import symusic
from tqdm import tqdm

from irmas_utils.data import integrity
from irmas_utils.data.sample import composer, plan, render
from irmas_utils.data.sample import soundfont as _font
from irmas_utils.project import files, parallel, paths
from irmas_utils.project.settings import Settings

# Raise it whenever the same settings would give other bytes.
COMPOSER_VERSION = 2
MARKER = "SAMPLE_CORPUS.json"
README = f"""\
This is the SAMPLE CORPUS of irmas-notebooks. It is not IRMAS.

A program composed this music and a General MIDI synthesizer played it. The folders, names and
formats are those of IRMAS, so that everything runs without a download. Performers and titles
are invented. Scores on it say whether the code works, and nothing about real music.

{MARKER} holds the settings that it was made with. It may be deleted: it is made again when
it is needed.
"""


def ensure(settings: Settings) -> Path:
    """Return the data root of the sample corpus, rendered into the cache if it is not there whole.

    An interrupted rendering goes on, and what is not any more what was rendered, by the digests
    kept beside it, is rendered again; calls at the same time wait for each other. The same seed
    gives the same files bit for bit, whatever the number of processes. DataError if a size is not
    11 to 6705 and 11 to 2874 clips, or the soundfont is unusable.
    """
    own, font = settings.corpus, _font.find(settings.corpus.soundfont)
    made_from = {
        "training_clips": own.training_clips,
        "testing_clips": own.testing_clips,
        "seed": settings.seed,
        "soundfont_sha256": files.sha256(font),
        "composer_version": COMPOSER_VERSION,
        "symusic_version": symusic.__version__,
    }
    digest = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:10]
    name = f"{own.training_clips}+{own.testing_clips}-seed{settings.seed}-{digest}"
    root = paths.cache_root() / "sample" / name
    seal = root.with_name(f"{name}.json")
    if _altered(root, seal) != []:
        with files.locked(root.with_name(f".{name}.lock")):
            if altered := _altered(root, seal):  # another process may have rendered it by now
                print(f"{root} is rendered again: {altered[0]} is not what was rendered.")
                shutil.rmtree(root)
            if not root.is_dir():
                _make(root, _recordings(settings), font, made_from | {"soundfont": own.soundfont})
            files.write_sealed(seal, _contents(root))
    return root


def _altered(root: Path, seal: Path) -> list[str] | None:
    """Name the files that are not what was rendered; None if none is there, or nobody knows."""
    if not root.is_dir():
        return None
    try:
        kept, now = files.read_sealed(seal), _contents(root)
    except (OSError, ValueError):
        return None
    return sorted(name for name in kept.keys() | now.keys() if kept.get(name) != now.get(name))


def _contents(root: Path) -> dict[str, str]:
    kinds = (".wav", ".txt", ".json")
    found = [str(path) for path in sorted(root.rglob("*.*")) if path.suffix in kinds]
    content = integrity.digests(pd.DataFrame({"path": found}))
    # Names on disk need not be UTF-8.
    return {ascii(os.path.relpath(path, root)): of for path, of in zip(found, content, strict=True)}


def _recordings(settings: Settings) -> tuple[plan.Recording, ...]:
    sizes = settings.corpus.training_clips, settings.corpus.testing_clips
    return plan.recordings(*sizes, settings.seed)


def stems(settings: Settings, name: str) -> dict[str, np.ndarray]:
    """Render the true stems of the clip called `name`, whether or not its corpus is there.

    Each is float32 (n_samples, 2) at 44.1 kHz, under one of `composer.ROLES`: the first labelled
    player is the melody, other labelled ones and the accompaniment are "other". KeyError if there
    is no such clip; else as `ensure`.
    """
    clips = {Path(c.path).stem: (r, c) for r in _recordings(settings) for c in r.clips}
    recording, clip = clips[unicodedata.normalize("NFC", name)]
    font = _font.retuned(_font.find(settings.corpus.soundfont))
    whole = render.stems(composer.compose(recording), font)
    return {role: _cut(stem, clip) for role, stem in whole.items()}


def _make(root: Path, todo: Sequence[plan.Recording], font: Path, told: dict[str, Any]) -> None:
    folder = root.with_name(f"{root.name}.partial")
    files.write_text(folder / "README.txt", README)
    record = partial(_record, folder=folder, soundfont=_font.retuned(font))
    recorded = parallel.run(record, todo, parallel.cores(), chunk=1)
    for _ in tqdm(recorded, "sample corpus", len(todo), unit="recording", disable=None):
        pass
    what = "the sample corpus of irmas-notebooks, synthetic, not IRMAS"
    files.write_json(folder / MARKER, {"what": what, "settings": told})
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
