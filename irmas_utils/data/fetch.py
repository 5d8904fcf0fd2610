"""Published files, fetched from where their makers put them and checked against their hash.

IRMAS is some 11 GB in four archives; its licence is CC BY-NC-SA 3.0 and does not allow its
redistribution. Of pre-trained weights the project holds the address and the hash, never a copy:
a notebook that can do without them asks `available`; what cannot calls `weights`.
"""

import shutil
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pooch
import requests

from irmas_utils.data import published
from irmas_utils.project import files, paths
from irmas_utils.project.errors import DownloadError

ADDRESS = published.load("irmas")["address"]
AGAIN = "Run the command again; what was fetched whole is kept."


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


def file(url: str, hashed: str, folder: Path, name: str, remedy: str = AGAIN) -> Path:
    """Return the path of a published file, fetched into `folder` unless it is there.

    One that has another hash than `hashed`, such as ``"md5:…"``, is fetched again.

    Raises
    ------
    DownloadError
        If it cannot be fetched whole, or has another hash; `remedy` is what a person can do.
    """
    pooch.get_logger().setLevel("WARNING")
    downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=60)
    try:
        return Path(pooch.retrieve(url, hashed, name, folder, None, downloader))
    except (requests.RequestException, OSError) as error:
        found = f"no connection or no such file ({_reason(error)})"
        raise _failed(url, found, hashed, remedy) from error
    except ValueError as error:
        raise _failed(url, "a file with another checksum", hashed, remedy) from error


def _reason(error: Exception) -> str:
    """Name the innermost cause: requests wraps what the system said three layers deep."""
    if (response := getattr(error, "response", None)) is not None:
        return f"HTTP status {response.status_code}"
    while error.__context__ is not None:
        error = error.__context__
    return getattr(error, "strerror", None) or type(error).__name__


def _failed(where: str | Path, found: str, hashed: str, remedy: str = AGAIN) -> DownloadError:
    expected = f"the published file, {hashed}"
    return DownloadError(where, found=found, expected=expected, remedy=remedy)


def irmas(root: Path | None = None, address: str = ADDRESS) -> Path:
    """Fetch and unpack what is missing of IRMAS.

    Parts that are there already are left alone, so an interrupted download is taken up again.
    `address` is the archives', with ``{name}`` for the file name.

    Returns where it is: `root`, by default `paths.data_root`. DownloadError if an archive cannot
    be fetched, has the wrong checksum or is no ZIP file.
    """
    root = Path(root or paths.data_root())
    root.mkdir(parents=True, exist_ok=True)
    for name, md5 in published.load("irmas")["archives"].items():
        if not (root / Path(name).stem).is_dir():
            _unpack(file(address.format(name=name), f"md5:{md5}", root, name), root)
    return root


def _unpack(archive: Path, root: Path) -> None:
    # Unpacked aside and then renamed: a folder of the final name is always complete.
    aside = root / f".unpacking-{archive.stem}"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as contents:
            contents.extractall(aside)
    except zipfile.BadZipFile as error:
        raise _failed(archive, f"no ZIP archive ({error})", "a ZIP archive") from error
    inner = aside / archive.stem
    (inner if inner.is_dir() else aside).rename(root / archive.stem)
    shutil.rmtree(aside, ignore_errors=True)
    archive.unlink()


def weights(wanted: Weights = MN04) -> Path:
    """Return the path of the weights, fetched if they are not on disk.

    The folder `paths.weights_root` (``IRMAS_WEIGHTS``) is looked at first, then the cache, where
    a fetched file is kept. DownloadError as `file`, and if the local file has another hash.
    """
    hashed, folder = f"sha256:{wanted.sha256}", paths.cache_root() / "weights"
    if not given(wanted):
        remedy = "Try again, or put the file in the folder that IRMAS_WEIGHTS names."
        return file(wanted.address + wanted.name, hashed, folder, wanted.name, remedy)
    local = paths.weights_root() / wanted.name
    if (found := files.sha256(local)) != wanted.sha256:
        remedy = "Remove the file or unset IRMAS_WEIGHTS, and it is fetched."
        raise _failed(local, f"SHA-256 {found}", hashed, remedy)
    return local


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
