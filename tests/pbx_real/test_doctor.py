"""The doctor on a real Asterisk, with one thing wrong at a time: found, with its remedy, in time."""

from __future__ import annotations

import asyncio
import functools
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from pbx_real.doctor_cases import CASES, MANAGER
from pbx_real.doctor_edits import CERTIFICATE, TLS_FILES, TLS_PORT, Case

from emocx_pbx.check.check import check
from emocx_pbx.check.dialplan import CONF_VERSION
from emocx_pbx.check.finding import Finding
from emocx_pbx.lab.asterisk import Installation, PrivateAsterisk, free_port
from emocx_pbx.lab.conf import shipped
from emocx_pbx.settings.settings import AgiSettings, AnalysisSettings, AsteriskSettings, Settings

#: The longest that the check may take, whatever is wrong.
LONGEST_S = 10.0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def patient(installation: Installation) -> AsyncIterator[PrivateAsterisk]:
    """An Asterisk of our own, to be made wrong; its files can be read by func_config."""
    async with PrivateAsterisk(installation, agi=f"127.0.0.1:{free_port()}") as pbx:
        await pbx.cli("module load func_config.so")
        for name in ("cert.pem", "key.pem"):
            (pbx.directory / "etc" / name).write_text((TLS_FILES / name).read_text())
        yield pbx


@pytest.fixture
def settings(patient: PrivateAsterisk, tmp_path: Path) -> Settings:
    port = int(patient.config.agi.rpartition(":")[2])
    return Settings(
        asterisk=AsteriskSettings(port=patient.ami_port, secret=patient.secret),
        agi=AgiSettings(port=port),
        analysis=AnalysisSettings(base_port=0, speech_model="off", text_model="off"),
        directory=str(tmp_path),
    )


@functools.cache
def tls_port() -> int:
    """The same for all cases, and nobody's now."""
    return free_port()


def fills(patient: PrivateAsterisk) -> dict[str, str]:
    """What the cases' marks stand for: ports that are free, and the folder as Asterisk sees it."""
    agi = int(patient.config.agi.rpartition(":")[2])
    return {"@AGI@": str(agi), "@TLS@": str(tls_port()), "@DIR@": patient.config.directory}


def changed(settings: Settings, case: Case, folder: Path, patient: PrivateAsterisk) -> Settings:
    changes = {name: value if value != "@TLS@" else int(fills(patient)["@TLS@"])
               for name, value in case.settings.items()}  # fmt: skip
    if case.policy:
        (folder / "policy.toml").write_text(case.policy)
        changes["routing.policy"] = "policy.toml"
    for place, value in changes.items():
        section, _, name = place.partition(".")
        table = msgspec.structs.replace(getattr(settings, section), **{name: value})
        settings = msgspec.structs.replace(settings, **{section: table})
    return settings


@pytest.fixture
def edit(patient: PrivateAsterisk) -> Iterator[Callable[[Case], None]]:
    """Changes files of Asterisk's; they are as before afterwards."""
    before: dict[Path, str] = {}
    filled = fills(patient)

    def edit(case: Case) -> None:
        for name, (pattern, to) in case.edits.items():
            path = patient.directory / "etc" / name
            before[path] = path.read_text()
            for mark, value in filled.items():
                to = to.replace(mark, value)
            text, count = re.subn(pattern, to, before[path])
            assert count, f"{pattern!r} is not in {name}"
            path.write_text(text)

    yield edit
    for path, text in before.items():
        path.write_text(text)


async def test_a_healthy_asterisk_has_nothing_wrong(settings: Settings) -> None:
    findings = await check(settings)
    assert [f for f in findings if f.level == "fail"] == []
    oks = {f.topic for f in findings if f.level == "ok"}
    assert {"asterisk", "version", "rights", "events", "modules", "queues", "dialplan", "decision path",
            "self-tap"} <= oks  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_each_is_found_with_its_remedy(
    case: Case, patient: PrivateAsterisk, settings: Settings, edit: Callable[[Case], None], tmp_path: Path
) -> None:
    edit(case)
    for command in case.cli:
        await patient.cli(command)
    began = time.monotonic()
    try:
        findings = await check(changed(settings, case, tmp_path, patient), self_tap=case.tap)
    finally:
        took = time.monotonic() - began
        await put_back(patient, case)
    found = [f for f in findings if f.topic == case.topic and case.finds in f.what]
    assert [f.level for f in found] == [case.level], observed(findings)
    assert case.remedy in found[0].remedy
    assert took < LONGEST_S


async def put_back(patient: PrivateAsterisk, case: Case) -> None:
    patient.write_config()
    reloads = [command for command in case.cli if "reload" in command]
    for command in (*case.undo, *reloads):
        await patient.cli(command)


def observed(findings: list[Finding]) -> str:
    return "\n".join(f"{f.level} {f.topic}: {f.what} -> {f.remedy}" for f in findings)


async def test_tls_with_the_right_ca_and_name(
    patient: PrivateAsterisk, settings: Settings, edit: Callable[[Case], None], tmp_path: Path
) -> None:
    right = {"asterisk.tls": True, "asterisk.port": "@TLS@", "asterisk.tls_ca": CERTIFICATE,
             "asterisk.host": "localhost"}  # fmt: skip
    case = Case("", "", "", "asterisk", edits=TLS_PORT, cli=(MANAGER,), settings=right)
    edit(case)
    await patient.cli(MANAGER)
    findings = await check(changed(settings, case, tmp_path, patient), self_tap=False)
    await put_back(patient, case)
    assert [f.level for f in findings if f.topic == "asterisk"] == ["ok"], observed(findings)


async def test_a_stranger_on_the_services_port(settings: Settings) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-other\r\n")
        writer.close()

    async with await asyncio.start_server(other, "127.0.0.1", settings.agi.port):
        findings = await check(settings, self_tap=False)
    (found,) = [f for f in findings if f.topic == "decision path"]
    assert found.level == "fail" and "something else than this service answered" in found.what


async def test_a_hung_service(settings: Settings) -> None:
    # The kernel takes the connection, as for a process under SIGSTOP.
    with socket.create_server(("127.0.0.1", settings.agi.port)):
        findings = await check(settings, self_tap=False)
    (found,) = [f for f in findings if f.topic == "decision path"]
    assert "did not answer within 1.5 s" in found.what and "restart the service if it hangs" in found.remedy


async def test_nothing_is_left_behind(patient: PrivateAsterisk, settings: Settings) -> None:
    await check(settings)
    async with asyncio.timeout(5):
        while "0 active channels" not in await patient.cli("core show channels count"):
            pass


def test_the_version_is_that_of_the_file() -> None:
    text = (shipped("dialplan") / "emocx.conf").read_text()
    assert f"Set(EMOCX_CONF={CONF_VERSION})" in text
    assert f"Version {CONF_VERSION}." in text.splitlines()[0]
