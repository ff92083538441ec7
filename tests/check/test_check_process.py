"""The check beside the controller: findings come back, and one that hangs is ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from emocx_pbx.check.process import findings_of
from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.settings.settings import AsteriskSettings, Settings


async def test_findings_come_back(tmp_path: Path, unused_tcp_port: int) -> None:
    settings = Settings(directory=str(tmp_path), asterisk=AsteriskSettings(port=unused_tcp_port))
    findings = await findings_of(settings)
    assert {"settings", "policy", "models", "asterisk"} <= {f.topic for f in findings}
    assert any(f.level == "fail" and "no login" in f.what for f in findings)


async def test_one_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(PeerUnavailable, match="did not end"):
        await findings_of(Settings(directory=str(tmp_path)), deadline_s=0.01)
