import hashlib
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from irmas_utils.data import weights
from irmas_utils.project import paths
from irmas_utils.project.errors import DownloadError

CONTENT = b"not really weights" * 1000


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests += 1
        if self.path == "/404":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:100] if self.path == "/truncated" else CONTENT)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.delenv("IRMAS_WEIGHTS", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    running.requests = 0
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


def _weights(server, name="good"):
    return replace(
        weights.MN04,
        name=name,
        address=f"http://127.0.0.1:{server.server_port}/",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
    )


def test_fetches_once(server):
    path = weights.fetch(_weights(server))
    assert path.read_bytes() == CONTENT
    assert path.parent == paths.cache_root() / "weights"
    assert weights.fetch(_weights(server)) == path
    assert server.requests == 1
    assert weights.available(_weights(server)) == (path, "")


def test_a_damaged_copy_is_fetched_again(server):
    path = weights.fetch(_weights(server))
    path.write_bytes(CONTENT[:50])
    assert weights.fetch(_weights(server)).read_bytes() == CONTENT
    assert server.requests == 2


@pytest.mark.parametrize(("name", "found"), [("404", "404"), ("good", "checksum")])
def test_failures_are_told_in_one_line(server, name, found):
    wanted = replace(_weights(server, name), sha256="0" * 64)
    with pytest.raises(DownloadError, match=found):
        weights.fetch(wanted)
    path, reason = weights.available(wanted)
    assert path is None
    assert wanted.address in reason
    assert "\n" not in reason
    assert not list((paths.cache_root() / "weights").glob("*"))


def test_a_truncated_answer_is_no_file(server):
    with pytest.raises(DownloadError):
        weights.fetch(_weights(server, "truncated"))
    assert not list((paths.cache_root() / "weights").glob("*"))


def test_no_server(server):
    wanted = _weights(server)
    server.shutdown()
    server.server_close()
    with pytest.raises(DownloadError, match=r"refused.*IRMAS_WEIGHTS"):
        weights.fetch(wanted)


def test_a_local_folder_comes_first(server, tmp_path, monkeypatch):
    monkeypatch.setenv("IRMAS_WEIGHTS", str(tmp_path))
    (tmp_path / "good").write_bytes(CONTENT)
    assert weights.fetch(_weights(server)) == tmp_path / "good"
    assert server.requests == 0
    (tmp_path / "good").write_bytes(CONTENT[:-1])
    with pytest.raises(DownloadError, match="SHA-256"):
        weights.fetch(_weights(server))


def test_an_empty_local_folder_is_no_obstacle(server, tmp_path, monkeypatch):
    monkeypatch.setenv("IRMAS_WEIGHTS", str(tmp_path))
    assert weights.fetch(_weights(server)).read_bytes() == CONTENT
