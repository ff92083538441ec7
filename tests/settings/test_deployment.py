"""The systemd unit and the compose file: what they allow, as text, and by systemd's own measure."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from emocx_pbx.settings.settings import load

DOCKER = Path(__file__).parents[2] / "docker"
UNIT = DOCKER / "emocx-pbx.service"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("unit", [unit.name for unit in sorted(DOCKER.glob("*.service"))])
def test_the_unit_is_closed_by_systemds_own_measure(unit: str) -> None:
    words = ["systemd-analyze", "security", "--offline=yes", str(DOCKER / unit)]
    said = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False).stdout
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert level and float(level[1]) < 2


def test_the_unit_does_not_break_workers_or_speech_to_text() -> None:
    lines = [line for line in UNIT.read_text().splitlines() if not line.startswith("#")]
    assert not [line for line in lines if "MemoryDenyWriteExecute" in line or "@resources" in line]
    for line in ("UMask=0027", "LimitNOFILE=65536", "CapabilityBoundingSet=", "PrivateDevices=true",
                 "RestartPreventExitStatus=2"):  # fmt: skip
        assert line in lines


def test_compose_claims_no_proxy_and_publishes_on_loopback_unless_asked() -> None:
    text = (DOCKER / "compose.yaml").read_text()
    ports = re.findall(r'^ +- "(\S+/udp|\S+:8085)"$', text, re.MULTILINE)
    assert len(ports) == 3
    assert all(port.startswith(("127.0.0.1:", "${SIP_ADDRESS:-127.0.0.1}:")) for port in ports)
    given = {
        name: value.strip('"')
        for name, value in re.findall(r"^ +(EMOCX_HTTP_\w+): (\S+)", text, re.MULTILINE)
        if not value.startswith("${")
    }
    assert "EMOCX_HTTP_BEHIND_PROXY" not in given
    settings = load(None, given | {"EMOCX_HTTP_API_TOKEN": "a token of 24 characters"})
    assert settings.http.host == "0.0.0.0" and not settings.http.behind_proxy
