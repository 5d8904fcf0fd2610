import email.utils
import errno
import hashlib
import http.server
import io
import os
import shutil
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from irmas_utils.data import fetch, index
from irmas_utils.project import paths
from irmas_utils.project.errors import DataError, DiskError, DownloadError

CONTENT = b"not really weights" * 1000


def number(headers):
    """Return the first byte that a request asks for."""
    return int(headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as `server.faults` says, request by request, and soundly when none is left."""

    def do_GET(self):
        server, name = self.server, self.path.strip("/").split("?")[0]
        start, fault = number(self.headers), server.faults.pop(0) if server.faults else None
        server.asked.append((name, start))
        body = server.files.get(name)
        if body is None or isinstance(fault, int):
            return self.answer(fault or 404, b"no")
        if isinstance(fault, tuple):
            return self.answer(fault[0], b"later", **{"Retry-After": fault[1]})
        if fault == "redirect":
            return self.answer(302, b"", Location=f"/{name}")
        if fault == "no more":
            return self.answer(416, b"", **{"Content-Range": f"bytes */{len(body)}"})
        if fault in ("page", "html"):
            page = b"<html>Who are you?" + bytes(10**6 if fault == "html" else 0)
            return self.answer(
                200, page, **{"Content-Type": "text/html"} if fault == "html" else {}
            )
        if fault in ("less", "other start"):
            stop = start + 99 if fault == "less" else len(body) - 1
            start = start if fault == "less" else 0
            about = {"Content-Range": f"bytes {start}-{stop}/{len(body)}"}
            return self.answer(206, body[start : stop + 1], **about)
        if start >= len(body) and start and fault != "no ranges":
            return self.answer(416, b"", **{"Content-Range": f"bytes */{len(body)}"})
        if fault == "no ranges" or not start:
            return self.answer(200, body, fault)
        about = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
        return self.answer(206, body[start:], fault, **about)

    def answer(self, status, body, fault=None, **headers):
        self.send_response(status)
        for key, value in ({"Content-Length": len(body)} | headers).items():
            self.send_header(key, str(value))
        self.end_headers()
        if fault == "corrupt":
            body = b"#" + body[1:]
        if fault in ("cut", "stall"):
            body = body[: len(body) // 2]
        self.wfile.write(body)
        self.wfile.flush()
        if fault == "stall":
            self.server.over.wait(5)
        self.close_connection = True

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    """A local server: `files` maps names to bodies, `asked` lists the requests."""
    monkeypatch.delenv("IRMAS_WEIGHTS", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(fetch, "PAUSES", (0, 0, 0))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.asked, server.faults = {"good": CONTENT}, [], []
    server.over = threading.Event()
    server.address = f"http://127.0.0.1:{server.server_port}/"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()


# The data set

TRAINING, PART = "IRMAS-TrainingData", "IRMAS-TestingData-Part1"
FACTS = {
    "name": "a small IRMAS", "source": "here", "licence": "CC BY-NC-SA 3.0", "licence_note": "No.",
    "training": {"clips": {"cel": 2, "voi": 1}, "size_gib": 1e-5},
    "testing": {"parts": {"Part1": 2}, "clips": {"gel": 1, "voi": 2}, "size_gib": 1e-5},
}  # fmt: skip


def clip(seed):
    """A WAV of noise, which does not compress: 0.9 s, 80 kB."""
    buffer = io.BytesIO()
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, 40_000)
    soundfile.write(buffer, noise, 44100, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


CLIPS = {
    TRAINING: {f"{code}/[{code}][cla]000{n}__1.wav": clip(n)
               for n, code in enumerate(["cel", "cel", "voi"])},
    PART: {"Part1/a-1.wav": clip(3), "Part1/a-1.txt": b"gel\t\nvoi\t\n",
           "Part1/Sólo-1.wav": clip(4), "Part1/Sólo-1.txt": b"voi\t\n"},
}  # fmt: skip


def zipped(files, top=""):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(top + name, content)
    return buffer.getvalue()


def write(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


@pytest.fixture
def irmas(server, tmp_path, monkeypatch):
    server.files |= {f"{name}.zip": zipped(files, f"{name}/") for name, files in CLIPS.items()}

    def run(root=tmp_path / "data", **md5):
        sums = {f"{name}.zip": hashlib.md5(server.files[f"{name}.zip"]).hexdigest()
                for name in (TRAINING, PART)}  # fmt: skip
        address = server.address + "{name}?download=1"
        facts = FACTS | {"archives": sums | md5, "address": address}
        monkeypatch.setattr(fetch.published, "load", lambda name: facts)
        return fetch.irmas(root)

    return run


def whole(root):
    return len(index.load_index(root)) == 5


def asked(server, name=f"{TRAINING}.zip"):
    return [start for file, start in server.asked if file == name]


def test_the_set_is_fetched_unpacked_and_checked_and_its_licence_shown(server, irmas, capsys):
    root = irmas()
    assert "CC BY-NC-SA 3.0" in capsys.readouterr().out
    assert sorted(path.name for path in root.iterdir()) == [PART, TRAINING]
    assert whole(root)
    irmas()
    assert [name for name, _ in server.asked] == [f"{TRAINING}.zip", f"{PART}.zip"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("top", ["", "IRMAS-TrainingData/", "other/"])
def test_archives_with_and_without_a_folder(server, irmas, top):
    server.files[f"{TRAINING}.zip"] = zipped(CLIPS[TRAINING], top)
    assert whole(irmas())


FAULTS = ["cut", "stall", "no ranges", "redirect", 429, 503, 500, 408]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_what_passes_is_waited_for(server, irmas, monkeypatch, fault):
    monkeypatch.setattr(fetch, "TIMEOUT", 0.1)
    server.faults = [fault]
    assert whole(irmas())


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("asked_for", "waited"),
    [("7", 7), (lambda: email.utils.formatdate(time.time() + 9, usegmt=True), 9),
     ("9" * 400, 600), ("0", 0), ("-5", 0), ("soon", 0), ("²", 0),
     ("Fri, 99 Foo 2026", 0), ("Mon, 01 Jan 0001 00:00:00 +9999", 0),
     ("Mon, 99999999999999999999 Jan 2020 00:00:00", 600), ("Wed, 21 Oct 2015 07:28:00 GMT", 0)],
)  # fmt: skip
def test_a_server_is_asked_again_when_it_says(
    server, irmas, monkeypatch, status, asked_for, waited
):
    slept = []
    monkeypatch.setattr(fetch.time, "sleep", slept.append)
    server.faults = [(status, asked_for() if callable(asked_for) else asked_for)]
    assert whole(irmas())
    assert slept == [pytest.approx(waited, abs=2)]


def test_a_cut_or_stalled_archive_is_gone_on_with(server, irmas, monkeypatch):
    monkeypatch.setattr(fetch, "TIMEOUT", 0.1)
    server.faults = ["cut", "stall", "no ranges", "cut"]
    assert whole(irmas())
    first, second, third, *_ = asked(server)
    assert 0 == first < second < third


def test_a_stopped_command_is_gone_on_with(server, irmas):
    server.faults = ["cut", "cut", 403]
    with pytest.raises(DownloadError, match=r"403.*goes on where it stopped"):
        irmas()
    assert whole(irmas())
    assert asked(server)[-1] == asked(server)[-2] > 0


@pytest.mark.parametrize("fault", ["page", "html", "less", "other start", "no more"])
def test_what_has_come_outlives_an_answer_that_is_none(server, irmas, fault):
    server.faults = ["cut", "cut", 403]
    with pytest.raises(DownloadError):
        irmas()
    server.faults = [fault, 403]
    with pytest.raises(DownloadError, match="goes on where it stopped"):
        irmas()
    server.faults.clear()
    assert whole(irmas())
    assert asked(server)[-1] > 0


@pytest.mark.parametrize("strange", ["a folder", "no room"])
def test_a_file_that_cannot_be_written_is_not_the_networks_fault(wanted, monkeypatch, strange):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "here")

    if strange == "a folder":
        name = f".good-{wanted.sha256[-8:]}.part"
        (paths.cache_root() / "weights" / name).mkdir(parents=True)
    else:
        monkeypatch.setattr(fetch.os, "replace", full)
    with pytest.raises(DiskError, match="a failed write.*(directory|No space)"):
        fetch.weights(wanted)


def test_what_was_fetched_whole_before_is_not_asked_for_twice(server, irmas, tmp_path):
    content = server.files[f"{TRAINING}.zip"]
    md5 = hashlib.md5(content).hexdigest()
    write(tmp_path / "data", {f".{TRAINING}.zip-{md5[-8:]}.part": content})
    assert whole(irmas())
    assert asked(server) == []


def test_another_file_of_the_right_length_is_fetched_anew(server, irmas, tmp_path):
    content = server.files[f"{TRAINING}.zip"]
    md5 = hashlib.md5(content).hexdigest()
    write(tmp_path / "data", {f".{TRAINING}.zip-{md5[-8:]}.part": b"#" + content[1:]})
    server.faults = ["no ranges"]
    assert whole(irmas())


def test_corrupt_bytes_are_told_of_and_fetched_anew(server, irmas):
    server.faults = ["corrupt"]
    with pytest.raises(DownloadError, match="another checksum"):
        irmas()
    assert whole(irmas())
    assert asked(server) == [0, 0]


@pytest.mark.parametrize("status", [403, 404])
def test_what_does_not_pass_is_an_error_at_once(server, irmas, status):
    server.faults = [status]
    with pytest.raises(DownloadError, match=f"HTTP status {status}"):
        irmas()
    assert len(server.asked) == 1


def test_pauses_end(server, irmas):
    server.faults = [503] * 9
    with pytest.raises(DownloadError, match="HTTP status 503"):
        irmas()
    assert len(server.asked) == 4


@pytest.mark.parametrize("inner", ["", "data"])
def test_a_folder_that_cannot_be_made_is_told_before_anything_is_fetched(
    server, irmas, tmp_path, inner
):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        DiskError, match=r"IRMAS-TrainingData\.zip: found a failed write.*IRMAS_DATA"
    ):
        irmas(tmp_path / "file" / inner)
    assert not server.asked


def test_no_zip_is_an_error(server, irmas):
    server.files[f"{TRAINING}.zip"] = b"a page"
    with pytest.raises(DownloadError, match="does not unpack"):
        irmas()


def test_nothing_lands_outside_the_folder(server, irmas, tmp_path):
    hostile = {"../../up.wav": b"1", "/tmp/irmas-absolute.wav": b"2"}
    server.files[f"{TRAINING}.zip"] = zipped(hostile)
    with pytest.raises(DataError):
        irmas()
    outside = [path for path in tmp_path.rglob("*.wav") if "data" not in path.parts]
    assert outside == []
    assert not Path("/tmp/irmas-absolute.wav").exists()


def test_a_bomb_is_not_unpacked(irmas, monkeypatch, tmp_path):
    monkeypatch.setattr(fetch, "_LARGEST", 100_000)
    with pytest.raises(DownloadError, match="bytes when unpacked"):
        irmas()
    assert not (tmp_path / "data" / TRAINING).exists()


@pytest.mark.parametrize("free", [0, 30_000])
def test_too_little_room_is_told_before_it_is_used(server, irmas, monkeypatch, free):
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, free))
    with pytest.raises(DownloadError, match=r"free space.*Make room"):
        irmas()
    assert len(server.asked) == (free > 0)


def test_a_disk_that_fills_while_unpacking_leaves_no_half(irmas, monkeypatch, tmp_path):
    def fill(archive, folder):
        (folder / "half").mkdir(parents=True)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "extractall", fill)
        with pytest.raises(DownloadError, match="No space left"):
            irmas()
    assert [path.name for path in (tmp_path / "data").iterdir()] == [f"{TRAINING}.zip"]
    assert whole(irmas())


@pytest.mark.parametrize("says", [True, False])
def test_names_in_archives_are_read_right(server, irmas, says):
    content = zipped(CLIPS[PART], f"{PART}/")
    if not says:  # what other programs write: UTF-8, but without the flag for it
        content = content.replace(b"PK\3\4\x14\0\0\x08", b"PK\3\4\x14\0\0\0")
        content = content.replace(b"PK\1\2\x14\3\x14\0\0\x08", b"PK\1\2\x14\3\x14\0\0\0")
    server.files[f"{PART}.zip"] = content
    assert zipfile.ZipFile(io.BytesIO(content)).infolist()[2].flag_bits == 0x800 * says
    assert "Sólo-1" in set(index.load_index(irmas())["name"])


def test_a_name_that_is_not_utf8_keeps_its_clip(server, irmas):
    content = zipped({name.replace("ó", "?"): x for name, x in CLIPS[PART].items()})
    server.files[f"{PART}.zip"] = content.replace(b"S?lo", b"S\xa2lo")
    assert "Sólo-1" in set(index.load_index(irmas())["name"])


# What is there already


@pytest.mark.parametrize("layout", ["{}", "unzipped/{}", "{0}/{0}", "a/b/{}", "Part"])
def test_a_copy_is_found_in_the_usual_layouts(server, irmas, tmp_path, layout):
    root = tmp_path / "data"
    for name, files in CLIPS.items():
        write(root if layout == "Part" and name == PART else root / layout.format(name), files)
    if layout == "Part":
        (root / "Part").rename(root / TRAINING)
    irmas()
    assert server.asked == []


def test_a_half_copy_is_completed_and_kept_aside(server, irmas, tmp_path):
    root = tmp_path / "data"
    write(root / PART, CLIPS[PART])
    write(root / TRAINING, dict([*CLIPS[TRAINING].items()][:1]) | {"mine.txt": b"notes"})
    irmas()
    assert whole(root)
    assert [name for name, _ in server.asked] == [f"{TRAINING}.zip"]
    assert [path.read_bytes() for path in root.glob("_*-incomplete-*/mine.txt")] == [b"notes"]


@pytest.mark.parametrize("damaged", ["Part1/a-1.wav", "Part1/a-1.txt"])
def test_a_clip_or_label_file_that_is_cut_is_restored(irmas, tmp_path, damaged):
    root = tmp_path / "data"
    for name, files in CLIPS.items():
        write(root / name, files)
    write(root / PART, {damaged: CLIPS[PART][damaged][:4]})
    irmas()
    assert whole(root)


def test_a_set_with_other_counts_is_told_of(server, irmas):
    del server.files[f"{PART}.zip"]
    server.files[f"{PART}.zip"] = zipped(CLIPS[PART] | {"Part1/a-1.txt": b"voi\t\n"}, f"{PART}/")
    with pytest.raises(DataError, match="testing label gel: 0 of 1"):
        irmas()


# Weights


@pytest.fixture
def wanted(server):
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    return replace(fetch.MN04, name="good", address=server.address, sha256=sha256)


def kept():
    return list((paths.cache_root() / "weights").glob("[!.]*"))


def test_weights_are_fetched_once(server, wanted):
    path = fetch.weights(wanted)
    assert path.read_bytes() == CONTENT
    assert kept() == [path]
    assert fetch.available(wanted) == (path, "")
    assert server.asked == [("good", 0)]


def test_two_who_fetch_at_a_time_get_a_whole_file(server, wanted):
    server.files["good"] = CONTENT * 100
    wanted = replace(wanted, sha256=hashlib.sha256(CONTENT * 100).hexdigest())
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(fetch.weights, [wanted] * 4))
    assert {path.read_bytes() for path in found} == {CONTENT * 100}


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
    server.faults = ["cut"]
    with pytest.raises(DownloadError):
        fetch.weights(wanted)
    assert not kept()
    assert fetch.weights(wanted).read_bytes() == CONTENT
    assert len(server.asked) == 2


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
