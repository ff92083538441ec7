"""The private Asterisk itself: comes and goes without a trace."""

from __future__ import annotations

from pathlib import Path

import pytest

from emocx_pbx.errors import PeerUnavailable, SettingsError
from emocx_pbx.lab.asterisk import Installation, PrivateAsterisk, find


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_several_side_by_side_and_nothing_left(installation: Installation) -> None:
    async with PrivateAsterisk(installation) as one, PrivateAsterisk(installation, agents=1) as two:
        assert "agent-support-2" in await one.cli("queue show support")
        assert "agent-support-2" not in await two.cli("queue show support")
        pids = one.pid, two.pid
        assert all(map(alive, pids))
    assert not any(map(alive, pids))
    assert not one.directory.exists()
    with pytest.raises(PeerUnavailable):
        await one.cli("core show version")


async def test_a_restart_keeps_ports_and_settings(installation: Installation) -> None:
    async with PrivateAsterisk(installation, queues=("only",)) as pbx:
        before = pbx.pid, pbx.ami_port
        await pbx.restart()
        assert (pbx.pid == before[0], pbx.ami_port) == (False, before[1])
        assert "only has 0 calls" in await pbx.cli("queue show")


async def test_what_a_crash_left_is_cleared_at_the_next_start(installation: Installation) -> None:
    crashed = PrivateAsterisk(installation)
    await crashed.start()
    pid = crashed.pid
    await crashed.kill()
    (crashed.directory / "run/asterisk.pid").write_text(str(pid))
    assert crashed.directory.exists()
    async with PrivateAsterisk(installation):
        assert not crashed.directory.exists()


async def test_one_that_does_not_come_up_is_told_in_one_line(tmp_path: Path) -> None:
    broken = PrivateAsterisk(Installation(None, "/bin/false", "/nowhere"), parent=tmp_path)
    with pytest.raises(PeerUnavailable, match="Asterisk ended with 1") as refused:
        await broken.start()
    assert "\n" not in str(refused.value)


def test_none_is_a_sentence_not_a_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emocx_pbx.lab.installation._major", lambda binary: 18)
    with pytest.raises(SettingsError, match=r"install-asterisk\.sh"):
        find(tmp_path)


def test_without_root_it_is_a_sentence_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = tmp_path / "asterisk"
    for file in ("usr/sbin/asterisk", "usr/lib/x/asterisk/modules/chan_audiosocket.so"):
        (tree / file).parent.mkdir(parents=True)
        (tree / file).touch()
    monkeypatch.setattr("emocx_pbx.lab.installation._major", lambda binary: 18)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("emocx_pbx.lab.installation._may_sudo", lambda: False)
    with pytest.raises(SettingsError, match="needs root or sudo"):
        find(tmp_path)
    monkeypatch.setattr("emocx_pbx.lab.installation._may_sudo", lambda: True)
    assert find(tmp_path).enter()[:3] == ["sudo", "-n", "chroot"]
