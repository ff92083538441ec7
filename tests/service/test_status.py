"""The status: gathered from a controller, told over its socket, and shown by the command."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from databases import ON_POSTGRESQL

from emocx_pbx.cli import main
from emocx_pbx.commands.status import words
from emocx_pbx.errors import PeerUnavailable, StoreError
from emocx_pbx.observe.metrics import Metrics
from emocx_pbx.observe.tasks import Tasks
from emocx_pbx.service.controller import Service
from emocx_pbx.service.status import (
    LOW_DISK_BYTES,
    ReceiverStatus,
    Status,
    StatusSocket,
    WorkerStatus,
    ask,
    socket_path,
    status_of,
)
from emocx_pbx.settings.settings import Settings, StoreSettings, WebhookSettings
from emocx_pbx.store.database import Store

HOOK = WebhookSettings(name="crm", url="https://me:pw@crm.example/", secret="whsec_" + "A" * 32)


@asynccontextmanager
async def service_of(settings: Settings) -> AsyncIterator[Service]:
    metrics = Metrics()
    store = await Store.open(settings.store_place(), settings.webhooks)
    async with Tasks(metrics.count) as tasks:
        yield Service(settings, store, tasks, metrics)
    await store.close()


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    settings = Settings(directory=str(tmp_path), file=str(tmp_path / "emocx.toml"), webhooks=(HOOK,))
    async with service_of(settings) as service:
        yield service


@pytest.fixture
async def healthy(service: Service) -> Status:
    """All is well."""
    status = await status_of(service, "1.2.3", 100.0)
    up = {name: replace(component, up=True) for name, component in status.components.items()}
    return msgspec.structs.replace(
        status,
        asterisk="22.0.0",
        components=up,
        workers=(WorkerStatus(0, 7, True, 2, "voice/5", "lstm/2", "tiny.en", (), 120, 640),),
        disk_free_bytes=10 * LOW_DISK_BYTES,
    )


async def test_a_controller_tells_how_it_stands(service: Service) -> None:
    await service.store.outbox.disable("crm", 1.0, "HTTP 410")
    status = await status_of(service, "1.2.3", 100.0)
    assert (status.version, status.pid, status.web_pid, status.asterisk) == ("1.2.3", os.getpid(), None, "")
    assert status.receivers[0].disabled == "HTTP 410" and "pw" not in status.receivers[0].url
    assert [(w.index, w.up) for w in status.workers] == [(0, False)]
    assert status.schema > 0 and status.database_bytes > 0
    problems = status.problems()
    assert "asterisk: not connected yet" in problems and "receiver crm: disabled: HTTP 410" in problems
    assert "worker 0: not ready" in problems


@ON_POSTGRESQL
async def test_a_database_on_a_server_is_told_by_its_address_and_size(place: str, tmp_path: Path) -> None:
    url = place.replace("emocx@", "emocx:secret@")
    async with service_of(Settings(directory=str(tmp_path), store=StoreSettings(url=url))) as service:
        status = await status_of(service, "1.2.3", 100.0)
    assert status.database == place and "secret" not in repr(status)
    assert status.database_bytes > 1_000_000, "an empty PostgreSQL database takes some megabytes"


async def test_what_is_not_in_order(healthy: Status) -> None:
    assert healthy.problems() == []
    low = msgspec.structs.replace(healthy, disk_free_bytes=LOW_DISK_BYTES - 1)
    assert [problem.split(":")[0] for problem in low.problems()] == ["disk"]


async def test_the_status_is_given_only_over_the_services_own_socket(tmp_path: Path, healthy: Status) -> None:
    database = tmp_path / "emocx.db"

    async def gather() -> Status:
        return healthy

    door = StatusSocket(socket_path(database), gather)
    await door.start()
    assert stat.S_IMODE(socket_path(database).stat().st_mode) == 0o600
    observed = await asyncio.gather(*(ask(database) for _ in range(4)))
    assert observed == [healthy] * 4
    await door.stop()
    with pytest.raises(PeerUnavailable, match="no service runs"):
        await ask(database)


async def test_a_service_that_was_killed_is_told_from_one_that_runs(tmp_path: Path, healthy: Status) -> None:
    database = tmp_path / "emocx.db"

    async def gather() -> Status:
        return healthy

    dead = await asyncio.start_unix_server(lambda r, w: None, socket_path(database))
    dead.close()  # its socket stays, as after SIGKILL
    with pytest.raises(PeerUnavailable, match="no service runs"):
        await ask(database)
    door = StatusSocket(socket_path(database), gather)
    await door.start()
    assert await ask(database) == healthy
    await door.stop()


async def test_a_database_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    async def gather() -> Status:
        raise StoreError("the database can't be read: disk I/O error")

    door = StatusSocket(socket_path(tmp_path / "emocx.db"), gather)
    await door.start()
    with pytest.raises(PeerUnavailable, match="disk I/O error"):
        await ask(tmp_path / "emocx.db")
    await door.stop()


async def test_a_path_too_long_for_a_socket_costs_the_status_alone(tmp_path: Path, healthy: Status) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()

    async def gather() -> Status:
        return healthy

    door = StatusSocket(socket_path(folder / "emocx.db"), gather)
    await door.start()
    with pytest.raises(PeerUnavailable):
        await ask(folder / "emocx.db")
    await door.stop()


def test_the_words_end_with_what_is_not_in_order(healthy: Status) -> None:
    said = words(healthy, 3700.0)
    assert "Asterisk 22.0.0" in said and "up 1.0 h" in said and said.endswith("in order")
    bad = msgspec.structs.replace(
        healthy, receivers=(ReceiverStatus("crm", "https://crm/", 3, 1, "HTTP 410"),)
    )
    assert words(bad, 3700.0).endswith("not in order: receiver crm: disabled: HTTP 410")


def test_a_service_that_does_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "emocx.toml"
    file.write_text("")
    assert main(["status", "--config", str(file)]) == 1
    assert capsys.readouterr().out.startswith("not running: no service runs with the database ")
    assert main(["status", "--json", "--config", str(file)]) == 1
    assert json.loads(capsys.readouterr().out)["running"] is False
