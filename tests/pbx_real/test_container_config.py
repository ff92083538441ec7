"""The configuration that docker/ writes, without a container: Asterisk takes all of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from emocx_pbx.lab.asterisk import Installation, PrivateAsterisk

ROOT = Path(__file__).parents[2]


def test_the_configuration_is_written_with_the_standard_library_alone(tmp_path: Path) -> None:
    words = [
        sys.executable,
        "-S",
        "-m",
        "emocx_pbx.lab.conf",
        str(tmp_path),
        "secret=s3",
        "external=192.0.2.1",
    ]
    subprocess.run(words, check=True, cwd=ROOT, timeout=30)
    pjsip = (tmp_path / "etc/pjsip.conf").read_text()
    assert "external_media_address = 192.0.2.1" in pjsip
    assert "match =" not in pjsip
    assert "secret = s3" in (tmp_path / "etc/manager-emocx.conf").read_text()
    assert "CHANGE-ME" not in (tmp_path / "etc/manager-emocx.conf").read_text()


async def test_telephones_may_register(installation: Installation) -> None:
    pbx = PrivateAsterisk(installation)
    pbx.write_config(agent_host="", customer_host="", external="192.0.2.1")
    async with pbx:
        auths = await pbx.cli("pjsip show auths")
        endpoints = await pbx.cli("pjsip show endpoints")
    for name in ("customer", "agent-support-1", "agent-sales-2"):
        assert f"{name}/{name}" in auths
        assert name in endpoints
