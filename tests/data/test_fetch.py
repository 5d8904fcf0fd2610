import hashlib
import http.server
import io
import threading
import zipfile
from dataclasses import replace

import pytest

from irmas_utils.data import fetch
from irmas_utils.project import paths
from irmas_utils.project.errors import DownloadError

ARCHIVE = "IRMAS-TrainingData.zip"
CONTENT = b"not really weights" * 1000


def zipped(clip):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(clip, b"sound")
    return buffer.getvalue()


@pytest.fixture
def server(monkeypatch):
    """A local server: `server.files` maps names to bodies, `server.asked` lists the requests."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.strip("/").split("?")[0]
            server.asked.append(name)
            body = server.files.get(name)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"") + server.missing_bytes))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *args):
            pass

    monkeypatch.delenv("IRMAS_WEIGHTS", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.asked, server.missing_bytes = {"good": CONTENT}, [], 0
    server.address = f"http://127.0.0.1:{server.server_port}/"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


# The data set


@pytest.fixture
def irmas(server, tmp_path, monkeypatch):
    def run(md5=None):
        md5 = md5 or hashlib.md5(server.files.get(ARCHIVE, b"")).hexdigest()
        monkeypatch.setattr(fetch.published, "load", lambda name: {"archives": {ARCHIVE: md5}})
        return fetch.irmas(tmp_path / "data", server.address + "{name}?download=1")

    return run


def test_an_archive_is_fetched_unpacked_and_removed(server, irmas):
    server.files[ARCHIVE] = zipped("IRMAS-TrainingData/cel/clip.wav")
    root = irmas()
    assert (root / "IRMAS-TrainingData/cel/clip.wav").read_bytes() == b"sound"
    assert [path.name for path in root.iterdir()] == ["IRMAS-TrainingData"]
    irmas()
    assert server.asked == [ARCHIVE]


def test_an_archive_without_a_top_folder_gets_one(server, irmas):
    server.files[ARCHIVE] = zipped("Part1/clip.wav")
    assert (irmas() / "IRMAS-TrainingData/Part1/clip.wav").is_file()


def test_another_checksum_is_an_error_and_nothing_is_unpacked(server, irmas, tmp_path):
    server.files[ARCHIVE] = zipped("clip.wav")
    with pytest.raises(DownloadError, match="another checksum"):
        irmas(md5="0" * 32)
    assert not (tmp_path / "data" / "IRMAS-TrainingData").exists()


def test_a_missing_archive_is_an_error(irmas):
    with pytest.raises(DownloadError, match="404"):
        irmas()


def test_an_archive_cut_short_is_an_error_and_the_next_try_succeeds(server, irmas):
    server.files[ARCHIVE] = zipped("clip.wav")
    server.missing_bytes = 10
    with pytest.raises(DownloadError):
        irmas()
    server.missing_bytes = 0
    assert (irmas() / "IRMAS-TrainingData").is_dir()


def test_no_zip_is_an_error(server, irmas):
    server.files[ARCHIVE] = b"a page"
    with pytest.raises(DownloadError, match="no ZIP archive"):
        irmas()


# Weights


@pytest.fixture
def wanted(server):
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    return replace(fetch.MN04, name="good", address=server.address, sha256=sha256)


def kept():
    return list((paths.cache_root() / "weights").glob("*"))


def test_weights_are_fetched_once(server, wanted):
    path = fetch.weights(wanted)
    assert path.read_bytes() == CONTENT
    assert kept() == [path]
    assert fetch.available(wanted) == (path, "")
    assert server.asked == ["good"]


def test_a_damaged_copy_is_fetched_again(server, wanted):
    path = fetch.weights(wanted)
    path.write_bytes(CONTENT[:50])
    assert fetch.weights(wanted).read_bytes() == CONTENT
    assert len(server.asked) == 2


@pytest.mark.parametrize(("name", "found"), [("gone", "404"), ("good", "checksum")])
def test_failures_are_told_in_one_line(wanted, name, found):
    wanted = replace(wanted, name=name, sha256="0" * 64)
    with pytest.raises(DownloadError, match=found):
        fetch.weights(wanted)
    path, reason = fetch.available(wanted)
    assert path is None
    assert wanted.address in reason
    assert "\n" not in reason
    assert not kept()


def test_truncated_weights_are_no_file(server, wanted):
    server.missing_bytes = 10
    with pytest.raises(DownloadError):
        fetch.weights(wanted)
    assert not kept()


def test_no_server(server, wanted):
    server.shutdown()
    server.server_close()
    with pytest.raises(DownloadError, match=r"no connection.*refused.*IRMAS_WEIGHTS"):
        fetch.weights(wanted)


def test_a_local_folder_comes_first(server, wanted, tmp_path, monkeypatch):
    monkeypatch.setenv("IRMAS_WEIGHTS", str(tmp_path))
    assert not fetch.given(wanted)
    assert fetch.weights(wanted).read_bytes() == CONTENT  # an empty folder is no obstacle
    (tmp_path / "good").write_bytes(CONTENT)
    assert fetch.given(wanted)
    assert fetch.weights(wanted) == tmp_path / "good"
    assert len(server.asked) == 1
    (tmp_path / "good").write_bytes(CONTENT[:-1])
    with pytest.raises(DownloadError, match="SHA-256"):
        fetch.weights(wanted)
