"""Fetch the real IRMAS data set from Zenodo: ``python -m irmas_utils.data.download``.

Some 11 GB in four archives. Each is checked against its published MD5, unpacked beside the
others and deleted; parts that are there already are left alone, so an interrupted download is
taken up again by the same command.

The data set's licence is CC BY-NC-SA 3.0 and does not allow its redistribution.
"""

import argparse
import shutil
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pooch
import requests

from irmas_utils.data import published
from irmas_utils.project import paths
from irmas_utils.project.errors import DownloadError, IrmasError

ADDRESS = published.load("irmas")["address"]


def download(root: Path | None = None, address: str = ADDRESS) -> Path:
    """Fetch and unpack what is missing of IRMAS.

    Parameters
    ----------
    root : Path, optional
        Where to put it; `paths.data_root` when None.
    address : str
        Pattern of the archives' address, with ``{name}`` for the file name.

    Returns
    -------
    Path
        `root`.

    Raises
    ------
    DownloadError
        If an archive cannot be fetched, has the wrong checksum or is no ZIP file.
    """
    root = Path(root or paths.data_root())
    root.mkdir(parents=True, exist_ok=True)
    for name, md5 in published.load("irmas")["archives"].items():
        if not (root / Path(name).stem).is_dir():
            _unpack(_fetch(name, md5, root, address), root)
    return root


def _fetch(name: str, md5: str, root: Path, address: str) -> Path:
    url = address.format(name=name)
    try:
        archive = pooch.retrieve(url, f"md5:{md5}", fname=name, path=root, downloader=_downloader())
    except (requests.RequestException, OSError) as error:
        raise _failed(url, f"no connection or no such file ({error})") from error
    except ValueError as error:
        raise _failed(url, f"a file with another checksum than {md5} ({error})") from error
    return Path(archive)


def _downloader() -> pooch.HTTPDownloader:
    return pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=60)


def _failed(url: str, found: str) -> DownloadError:
    return DownloadError(
        url,
        found=found,
        expected="the published archive",
        remedy="Run the command again; what was fetched whole is kept.",
    )


def _unpack(archive: Path, root: Path) -> None:
    # Unpacked aside and then renamed: a folder of the final name is always complete.
    aside = root / f".unpacking-{archive.stem}"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as contents:
            contents.extractall(aside)
    except zipfile.BadZipFile as error:
        raise _failed(str(archive), f"no ZIP archive ({error})") from error
    inner = aside / archive.stem
    (inner if inner.is_dir() else aside).rename(root / archive.stem)
    shutil.rmtree(aside, ignore_errors=True)
    archive.unlink()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m irmas_utils.data.download", description=__doc__
    )
    parser.add_argument("--to", type=Path, help="target folder (default: $IRMAS_DATA or data/)")
    options = parser.parse_args(arguments)
    try:
        print(f"IRMAS is in {download(options.to)}")
    except IrmasError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
