"""A web process for real, in front of a controller's parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from service.web_world import TOKEN, World

from emocx_pbx.lab.asterisk import free_port
from emocx_pbx.service.web_host import WebHost
from emocx_pbx.settings.dialling import DiallingSettings
from emocx_pbx.settings.settings import HttpSettings, Settings
from emocx_pbx.store.database import Store


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    http = HttpSettings(port=free_port(), api_token=TOKEN)
    settings = Settings(directory=str(tmp_path), http=http, dialling=DiallingSettings(country="DE"))
    store = await Store.open(settings.store_path())
    world = World(store, settings)
    yield world
    await world.http.close()
    await store.close()


@pytest.fixture
async def host(world: World) -> AsyncIterator[WebHost]:
    host = world.host()
    running = asyncio.create_task(host.run(world.listening))
    async with asyncio.timeout(30):
        await asyncio.shield(world.listening)
    yield host
    await host.stop()
    async with asyncio.timeout(5):
        await running
