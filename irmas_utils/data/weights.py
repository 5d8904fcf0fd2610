"""Pre-trained weights: found on disk or fetched from where their authors published them.

The project holds the address and the hash, never the weights. A notebook that can do without
them asks `available`; what cannot calls `fetch`.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import pooch
import requests

from irmas_utils.project import paths
from irmas_utils.project.errors import DownloadError


@dataclass(frozen=True)
class Weights:
    """A published file of weights.

    Attributes
    ----------
    name, address : str
        File name, and the folder it is fetched from.
    sha256 : str
    licence, source : str
        For people.
    """

    name: str
    address: str
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


def available(weights: Weights = MN04) -> tuple[Path | None, str]:
    """Say where the weights are, fetching them if need be, or in one line why they are nowhere.

    Returns
    -------
    path : Path or None
    reason : str
        Empty when there is a path.
    """
    try:
        return fetch(weights), ""
    except DownloadError as error:
        return None, f"No pre-trained weights: {error}"


def given(weights: Weights = MN04) -> bool:
    """Say whether the weights lie in the folder that ``IRMAS_WEIGHTS`` names; fetches nothing."""
    folder = paths.weights_root()
    return folder != paths.cache_root() / "weights" and (folder / weights.name).is_file()


def fetch(weights: Weights = MN04, timeout: float = 30.0) -> Path:
    """Return the path of the weights, fetched if they are not on disk.

    The folder `paths.weights_root` (``IRMAS_WEIGHTS``) is looked at first, then the cache, where
    a fetched file is kept. The SHA-256 is checked in each case.

    Parameters
    ----------
    weights : Weights
    timeout : float
        Seconds that the server may take to answer.

    Raises
    ------
    DownloadError
        If the local file has another hash, or the file cannot be fetched whole.
    """
    local = paths.weights_root() / weights.name
    folder = paths.cache_root() / "weights"
    if local.is_file() and local.parent != folder:
        return _checked(local, weights)
    pooch.get_logger().setLevel("WARNING")
    downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=timeout)
    url = weights.address + weights.name
    try:
        return Path(
            pooch.retrieve(url, f"sha256:{weights.sha256}", weights.name, folder, None, downloader)
        )
    except (requests.RequestException, OSError) as error:
        raise _failed(url, f"no connection or no such file ({_reason(error)})") from error
    except ValueError as error:
        raise _failed(url, "a file with another checksum") from error


def _checked(path: Path, weights: Weights) -> Path:
    found = pooch.file_hash(str(path), alg="sha256")
    if found != weights.sha256:
        raise DownloadError(
            path,
            found=f"SHA-256 {found}",
            expected=weights.sha256,
            remedy="Remove the file or unset IRMAS_WEIGHTS, and it is fetched.",
        )
    return path


def _reason(error: Exception) -> str:
    """Name the innermost cause: requests wraps what the system said three layers deep."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP status {response.status_code}"
    while error.__context__ is not None:
        error = error.__context__
    return getattr(error, "strerror", None) or type(error).__name__


def _failed(url: str, found: str) -> DownloadError:
    return DownloadError(
        url,
        found=found,
        expected="the published weights",
        remedy="Connect to the network and try again, or put the file in the folder that "
        "IRMAS_WEIGHTS names.",
    )
