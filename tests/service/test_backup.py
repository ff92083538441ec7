"""Backups: whole, checked, private; restored in place of what is there, or refused and nothing changed."""

from __future__ import annotations

import io
import json
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from emocx_pbx.cli import main
from emocx_pbx.emotion.card import Card
from emocx_pbx.service import backup as backups
from emocx_pbx.store.database import Store
from emocx_pbx.store.migrate import migrations

Manifest = dict[str, Any]
Members = dict[str, bytes]
LAST = len(migrations())
POLICY = '[[rule]]\nwhen.emotion = "angry"\nqueue = "care"\n'


def put(path: Path, value: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE IF NOT EXISTS mark (x)")
        connection.execute("DELETE FROM mark")
        connection.execute("INSERT INTO mark VALUES (?)", (value,))


def value(path: Path | str) -> Any:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT x FROM mark").fetchone()[0]


def model(top: Path, version: str, weights: bytes) -> None:
    folder = top / "text" / "own" / version
    folder.mkdir(parents=True)
    Card("text", "own", version, ("angry", "neutral", "disappointed", "happy")).write(folder)
    (folder / "weights.npz").write_bytes(weights)


@pytest.fixture
async def site(tmp_path: Path) -> Path:
    """Settings, a database with a value, a policy, two versions of an own model of which one is in use."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "emocx.toml").write_text(
        '[store]\npath = "emocx.db"\n[routing]\npolicy = "policy.toml"\n[analysis]\nmodels_dir = "models"\n'
    )
    (folder / "policy.toml").write_text(POLICY)
    model(folder / "models", "1", b"old")
    model(folder / "models", "2", b"new")
    (folder / "models/text/own/current").write_text("1\n")
    await (await Store.open(folder / "emocx.db")).close()
    put(folder / "emocx.db", "first")
    return folder


def run(site: Path, *args: str | Path) -> int:
    return main([*map(str, args), "--config", str(site / "emocx.toml")])


async def test_there_and_back(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "b.tar"
    store = await Store.open(site / "emocx.db")  # as the service has it open
    try:
        assert run(site, "backup", file, "--json") == 0
    finally:
        await store.close()
    observed = json.loads(capsys.readouterr().out)
    assert (observed["schema"], observed["models"]) == (LAST, ["text own/1"])
    assert set(observed["files"]) == {
        "emocx.db", "emocx.toml", "policy.toml", "models/text/own/current",
        "models/text/own/1/card.json", "models/text/own/1/weights.npz",
    }  # fmt: skip
    assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.tar", "site"]  # noqa: ASYNC240

    put(site / "emocx.db", "second")
    (site / "policy.toml").write_text("# another\n")
    (site / "models/text/own/current").write_text("2\n")
    assert run(site, "restore", file, "--yes", "--json") == 0
    observed = json.loads(capsys.readouterr().out)
    assert value(site / "emocx.db") == "first"
    assert (site / "policy.toml").read_text() == POLICY
    assert (site / "models/text/own/current").read_text() == "1\n"
    assert (site / "models/text/own/2/weights.npz").read_bytes() == b"new"
    kept = {p.split("/")[-1].split(".before-restore-")[0]: p for p in observed["kept"]}
    assert value(kept["emocx.db"]) == "second"
    assert set(kept) == {"emocx.db", "policy.toml", "current"}


def test_onto_a_bare_machine(site: Path, tmp_path: Path) -> None:
    file = tmp_path / "b.tar"
    assert run(site, "backup", file) == 0
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "emocx.toml").write_text((site / "emocx.toml").read_text())
    assert run(bare, "restore", file, "--yes") == 0
    assert value(bare / "emocx.db") == "first"
    assert (bare / "policy.toml").read_text() == POLICY
    assert (bare / "models/text/own/1/weights.npz").read_bytes() == b"old"


def test_a_damaged_database_is_replaced_and_kept(site: Path, tmp_path: Path) -> None:
    file = tmp_path / "b.tar"
    assert run(site, "backup", file) == 0
    (site / "emocx.db").write_bytes(b"\xaa" * 50_000)
    assert run(site, "restore", file, "--yes") == 0
    assert value(site / "emocx.db") == "first"
    (kept,) = site.glob("emocx.db.before-restore-*")
    assert kept.read_bytes() == b"\xaa" * 50_000


def test_what_the_settings_do_not_name_is_told(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "b.tar"
    assert run(site, "backup", file) == 0
    (site / "emocx.toml").write_text('[store]\npath = "emocx.db"\n')
    assert run(site, "restore", file, "--yes") == 0
    out = capsys.readouterr().out
    assert "policy.toml was not put back: the settings name none" in out
    assert "models were not put back: analysis.models_dir is not set" in out


def test_check_only_reads(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "b.tar"
    assert run(site, "backup", file) == 0
    put(site / "emocx.db", "second")
    assert run(site, "restore", file, "--check") == 0
    assert "whole; the database of" in capsys.readouterr().out
    assert value(site / "emocx.db") == "second"


def test_restore_asks_first(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "b.tar"
    assert run(site, "backup", file) == 0
    put(site / "emocx.db", "second")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert run(site, "restore", file) == 2
    assert "Say --yes" in capsys.readouterr().err
    assert value(site / "emocx.db") == "second"


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:30_000])


def flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[60_000] ^= 1
    file.write_bytes(content)


def no_archive(file: Path) -> None:
    file.write_bytes(b"no archive" * 1000)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def missing(file: Path) -> None:
    file.unlink()


def content_of(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    assert stream is not None
    return stream.read()


def rewritten(change: Callable[[Manifest, Members], None]) -> Callable[[Path], None]:
    def doing(file: Path) -> None:
        with tarfile.open(file) as old:
            members = {m.name: content_of(old, m) for m in old}
        manifest = json.loads(members["manifest.json"])
        change(manifest, members)
        members["manifest.json"] = json.dumps(manifest).encode()
        with tarfile.open(file, "w") as new:
            for name, content in members.items():
                head = tarfile.TarInfo(name)
                head.size = len(content)
                new.addfile(head, io.BytesIO(content))

    return doing


def outside(manifest: Manifest, members: Members) -> None:
    name = "models/a/b/../../../../evil"
    members[name] = b"x"
    manifest["sha256"][name] = backups._summed(io.BytesIO(b"x"))


def newer(manifest: Manifest, members: Members) -> None:
    manifest["schema"] = LAST + 1


def without_database(manifest: Manifest, members: Members) -> None:
    del manifest["sha256"]["emocx.db"]


def database_missing(manifest: Manifest, members: Members) -> None:
    del members["emocx.db"]


def bad_manifest(manifest: Manifest, members: Members) -> None:
    manifest["schema"] = "ten"


def bad_database(manifest: Manifest, members: Members) -> None:
    members["emocx.db"] = b"SQLite format 3\0" + bytes(5000)
    manifest["sha256"]["emocx.db"] = backups._summed(io.BytesIO(members["emocx.db"]))


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (truncated, "incomplete"),
        (flipped, "checksum differs"),
        (no_archive, "is not a backup"),
        (empty, "is not a backup"),
        (missing, "no such file"),
        (rewritten(outside), "has no place in a backup"),
        (rewritten(newer), "made by a newer program"),
        (rewritten(without_database), "has no database"),
        (rewritten(database_missing), "emocx.db is missing"),
        (rewritten(bad_manifest), "is not a backup"),
        (rewritten(bad_database), "damaged"),
    ],
)  # fmt: skip
def test_a_bad_backup_is_refused_and_changes_nothing(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[Path], None], why: str
) -> None:
    file = tmp_path / "b.tar"
    assert run(site, "backup", file) == 0
    spoil(file)
    put(site / "emocx.db", "second")
    capsys.readouterr()
    before = sorted(p.name for p in site.rglob("*"))
    assert run(site, "restore", file, "--yes") == 2
    line = capsys.readouterr().err
    assert why in line
    assert line.count("\n") == 2, "which settings were read, and why not"
    assert value(site / "emocx.db") == "second"
    assert sorted(p.name for p in site.rglob("*")) == before


def test_a_backup_overwrites_nothing_and_leaves_nothing(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "b.tar"
    file.write_text("mine")
    assert run(site, "backup", file) == 2
    assert file.read_text() == "mine"
    assert run(site, "backup", tmp_path / "nowhere" / "b.tar") == 2
    (site / "emocx.db").write_bytes(b"\xaa" * 50_000)
    assert run(site, "backup", tmp_path / "c.tar") == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if ": settings read" not in line]
    assert ["already exists" in lines[0], "no such folder" in lines[1], "database" in lines[2]] == [True] * 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.tar", "site"]
