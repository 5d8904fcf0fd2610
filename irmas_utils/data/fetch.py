"""Published files, fetched from where their makers put them and checked against their hash.

The licence of IRMAS, CC BY-NC-SA 3.0, does not allow its redistribution. What can do without
pre-trained weights asks `available`; what cannot calls `weights`.
"""

import contextlib
import os
import shutil
import time
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import requests
import urllib3
from tqdm import tqdm
from urllib3.exceptions import InvalidHeader

from irmas_utils.data import index, integrity, published
from irmas_utils.project import files, paths
from irmas_utils.project.errors import DownloadError

AGAIN = "Run the command again: it goes on where it stopped."
TIMEOUT = 60  # s without an answer
PAUSES = (1, 2, 4, 8, 16, 32, 60)  # s, before IRMAS is asked for again
LONGEST = 600  # s, whatever a server asks for
_PASSING = {None, 408, 429, 500, 502, 503, 504}  # HTTP states that may be over soon
_LARGEST = 2**34  # bytes that an archive may unpack to; the whole set has 1.2e10


@dataclass(frozen=True)
class Weights:
    """A published file of weights, with its licence and source for people."""

    name: str
    address: str  # of the folder that the file `name` is in
    sha256: str
    licence: str
    source: str


MN04 = Weights(
    name="mn04_as_mAP_432.pt",
    address="https://github.com/fschmid56/EfficientAT/releases/download/v0.0.1/",
    sha256="899a8c6217063f6941793102a2780b3dd788ab11fce468d9cf5f0577c453321c",
    licence="MIT",
    source="EfficientAT mn04_as (Schmid et al. 2023)",
)


def file(
    url: str, hashed: str, folder: Path, name: str, remedy: str = AGAIN, pauses: tuple = ()
) -> Path:
    """Return the path of a published file, fetched into `folder` unless it is there.

    One that has another hash than `hashed`, such as ``"md5:…"``, is fetched again. If the
    connection fails, it is tried again after each of `pauses` [s]; what has come is kept.
    DownloadError if it cannot be fetched whole, or has another hash.
    """
    import pooch  # takes a fifth of a second, and most find all that they need on disk

    pooch.get_logger().setLevel("WARNING")
    partial = folder / f".{name}-{hashed[-8:]}.part"
    kind, digest = hashed.split(":")

    def download(url: str, target: str, _: None) -> None:
        with files.locked(paths.cache_root() / f"{partial.name}.lock"):  # notebooks run at a time
            for pause in [*pauses, None]:
                if partial.is_file() and pooch.file_hash(partial, kind) == digest:
                    break  # all had come when an earlier run ended
                try:
                    _go_on(url, partial)
                    break
                except requests.RequestException as error:
                    status = getattr(error.response, "status_code", None)
                    if pause is None or status not in _PASSING:
                        raise
                    pause = max(pause, _asked(error.response))
                time.sleep(pause)
            os.replace(partial, target)

    with files.writing(partial):
        try:
            return Path(pooch.retrieve(url, hashed, name, folder, None, download))
        except requests.RequestException as error:
            found = f"no connection or no such file ({_reason(error)})"
            raise _failed(url, found, hashed, remedy) from error
        except ValueError as error:
            raise _failed(url, "a file with another checksum", hashed, remedy) from error


def _go_on(url: str, partial: Path) -> None:
    """Fetch what `partial` lacks, or all of it where the server gives no ranges.

    What has come is not given up for a page that some network answers in the server's place.
    """
    with partial.open("ab") as file:
        have = file.tell()
        headers = {"Range": f"bytes={have}-", "Accept-Encoding": "identity"}
        with requests.get(url, headers=headers, timeout=TIMEOUT, stream=True) as answer:
            total = answer.headers.get("Content-Range", "").rpartition("/")[2]
            total = int(total) if total.isdecimal() else 0
            if answer.status_code == 416 and total <= have:
                return  # nothing follows: the hash says whether that is right
            answer.raise_for_status()
            if have and _is_other(answer, have):
                raise requests.ConnectionError(0, "another file than was asked for")
            if answer.status_code == 200:
                file.truncate(0)
            size = answer.raw.length_remaining
            with tqdm(total=size, unit="B", unit_scale=True, disable=None) as bar:
                for part in answer.iter_content(2**16):
                    bar.update(file.write(part))
        if file.tell() < total:
            raise requests.ConnectionError(0, f"{file.tell()} bytes of {total}")


def _is_other(answer: requests.Response, size: int) -> bool:
    """Say whether an answer neither goes on after `size` bytes nor is a whole file."""
    told = answer.headers
    if answer.status_code == 206:
        return not told.get("Content-Range", f"bytes {size}-").startswith(f"bytes {size}-")
    length = told.get("Content-Length", "")
    return (length.isdecimal() and int(length) < size) or "html" in told.get("Content-Type", "")


def _asked(response: requests.Response | None) -> float:
    """Return how many seconds a server asks to wait, up to `LONGEST`: a number, or a date."""
    text = "" if response is None else response.headers.get("Retry-After", "")
    with contextlib.suppress(ValueError, OverflowError, InvalidHeader):  # neither
        return min(urllib3.Retry().parse_retry_after(text), LONGEST)
    return 0


def _reason(error: Exception) -> str:
    """Name the innermost cause: requests wraps what the system said three layers deep."""
    if (response := getattr(error, "response", None)) is not None:
        return f"HTTP status {response.status_code}"
    while error.__context__ is not None:
        error = error.__context__
    return getattr(error, "strerror", None) or type(error).__name__


def _failed(where: str | Path, found: str, hashed: str, remedy: str = AGAIN) -> DownloadError:
    return DownloadError(where, found, f"the published file, {hashed}", remedy)


def irmas(root: Path | None = None) -> Path:
    """Fetch and unpack what is missing of IRMAS, check that all is there, and return where.

    Whole parts that are there are left alone; an incomplete one is set aside under another name.
    DownloadError if an archive cannot be fetched or unpacked, DataError if it does not hold the
    published set.
    """
    root, facts = Path(root or paths.data_root()), published.load("irmas")
    gaps = integrity.missing(index.scan(root)[0]) if index.folders(root) else ["training label"]
    words = {word for gap in gaps for word in gap.replace(":", "").split()}
    parts = words | ({"Part1", "Part2", "Part3"} if "label" in words else set())
    archives = facts["archives"].items()
    wanted = {name: md5 for name, md5 in archives if index.PARTS[Path(name).stem] in parts}
    if wanted:
        files.require_writable(root / next(iter(wanted)))
        print(*(facts[key] for key in ("name", "source", "licence", "licence_note")), sep="\n")
        whole = (facts["training"]["size_gib"] + facts["testing"]["size_gib"]) * 2**30
        _require_room(root, whole * len(wanted) / len(archives))
    for name, md5 in wanted.items():
        print(f"Fetching {name}", flush=True)
        url = facts["address"].format(name=name)
        _unpack(file(url, f"md5:{md5}", root, name, pauses=PAUSES), root)
    integrity.require_complete(root, index.load_index(root))
    return root


def _require_room(folder: Path, size: float) -> None:
    there = next(filter(Path.exists, [folder, *folder.parents]))
    if size > (free := shutil.disk_usage(there).free):
        remedy = "Make room, or name a folder on another disk with IRMAS_DATA."
        found, expected = (f"{each / 1e9:.1f} GB" for each in (free, size))
        raise DownloadError(folder, f"{found} of free space", expected, remedy)


def _unpack(archive: Path, root: Path) -> None:
    # Unpacked aside and then renamed: a folder of the final name is always complete.
    aside = root / f".unpacking-{archive.stem}"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        with _opened(archive) as contents:
            size = sum(member.file_size for member in contents.infolist())
            if size > _LARGEST:
                raise zipfile.BadZipFile(f"{size} bytes when unpacked")
            _require_room(root, size)
            contents.extractall(aside)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError) as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise _failed(archive, f"what does not unpack ({error})", "a ZIP archive") from error
    for half in index.folders(root):
        if index.PARTS[half.name] == index.PARTS[archive.stem]:
            half.rename(half.with_name(f"_{half.name}-incomplete-{time.time_ns()}"))
    inner = aside / archive.stem
    (inner if inner.is_dir() else aside).rename(root / archive.stem)
    shutil.rmtree(aside, ignore_errors=True)
    archive.unlink()


def _opened(archive: Path) -> zipfile.ZipFile:
    try:  # more archives have names in UTF-8 than say so
        return zipfile.ZipFile(archive, metadata_encoding="utf-8")
    except UnicodeDecodeError:
        return zipfile.ZipFile(archive)


def weights(wanted: Weights = MN04) -> Path:
    """Return the path of the weights, fetched if they are not on disk.

    The folder `paths.weights_root` (``IRMAS_WEIGHTS``) is looked at first, then the cache, where
    a fetched file is kept. DownloadError as `file`, and if the local file has another hash.
    """
    hashed, folder = f"sha256:{wanted.sha256}", paths.cache_root() / "weights"
    local = (paths.weights_root() if given(wanted) else folder) / wanted.name
    found = files.sha256(local) if local.is_file() else None
    if found == wanted.sha256:
        return local
    if given(wanted):
        remedy = "Remove the file or unset IRMAS_WEIGHTS, and it is fetched."
        raise _failed(local, f"SHA-256 {found}", hashed, remedy)
    remedy = "Try again, or put the file in the folder that IRMAS_WEIGHTS names."
    return file(wanted.address + wanted.name, hashed, folder, wanted.name, remedy)


def given(wanted: Weights = MN04) -> bool:
    """Say whether the weights lie in the folder that ``IRMAS_WEIGHTS`` names; fetches nothing."""
    folder = paths.weights_root()
    return folder != paths.cache_root() / "weights" and (folder / wanted.name).is_file()


def available(wanted: Weights = MN04) -> tuple[Path | None, str]:
    """Return where the weights are, fetched if need be, or None and in one line why nowhere."""
    try:
        return weights(wanted), ""
    except DownloadError as error:
        return None, f"No pre-trained weights: {error}"
