import hashlib
import http.server
import io
import threading
import zipfile

import pytest

from irmas_utils.data import download
from irmas_utils.project.errors import DownloadError

ARCHIVE = "IRMAS-TrainingData.zip"


def zipped(content=b"sound"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("IRMAS-TrainingData/cel/clip.wav", content)
    return buffer.getvalue()


@pytest.fixture
def server(tmp_path):
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

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.asked, server.missing_bytes = {}, [], 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def fetch(server, tmp_path, monkeypatch):
    def run(md5=None):
        md5 = md5 or hashlib.md5(server.files.get(ARCHIVE, b"")).hexdigest()
        monkeypatch.setattr(download.published, "load", lambda name: {"archives": {ARCHIVE: md5}})
        return download.download(
            tmp_path / "data", f"http://127.0.0.1:{server.server_port}/{{name}}?download=1"
        )

    return run


def test_an_archive_is_fetched_unpacked_and_removed(server, fetch):
    server.files[ARCHIVE] = zipped()
    root = fetch()
    assert (root / "IRMAS-TrainingData/cel/clip.wav").read_bytes() == b"sound"
    assert [path.name for path in root.iterdir()] == ["IRMAS-TrainingData"]
    fetch()
    assert server.asked == [ARCHIVE]


def test_an_archive_without_a_top_folder_gets_one(server, fetch):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("Part1/clip.wav", b"sound")
    server.files[ARCHIVE] = buffer.getvalue()
    assert (fetch() / "IRMAS-TrainingData/Part1/clip.wav").is_file()


def test_another_checksum_is_an_error_and_nothing_is_unpacked(server, fetch, tmp_path):
    server.files[ARCHIVE] = zipped()
    with pytest.raises(DownloadError, match="another checksum"):
        fetch(md5="0" * 32)
    assert not (tmp_path / "data" / "IRMAS-TrainingData").exists()


def test_a_missing_file_is_an_error(fetch):
    with pytest.raises(DownloadError, match="404"):
        fetch()


def test_a_file_cut_short_is_an_error_and_the_next_try_succeeds(server, fetch):
    server.files[ARCHIVE] = zipped()
    server.missing_bytes = 10
    with pytest.raises(DownloadError):
        fetch()
    server.missing_bytes = 0
    assert (fetch() / "IRMAS-TrainingData").is_dir()


def test_no_zip_is_an_error(server, fetch):
    server.files[ARCHIVE] = b"a page"
    with pytest.raises(DownloadError, match="no ZIP archive"):
        fetch()


def test_no_server_is_an_error(fetch, server):
    server.shutdown()
    server.server_close()
    with pytest.raises(DownloadError, match="no connection"):
        fetch()
