"""A port that can't be opened is told by the name of its setting, with the system's own reason."""

from __future__ import annotations

import asyncio
import socket

import pytest

from emocx_pbx.errors import SettingsError
from emocx_pbx.pbx.agi.server import AgiServer
from emocx_pbx.settings.binding import cannot_listen
from emocx_pbx.settings.settings import AgiSettings


async def reason(host: str, port: int) -> str:
    """What an administrator reads of a server that can't listen there."""
    with pytest.raises(OSError) as caught:
        await asyncio.start_server(lambda r, w: None, host, port)
    return str(cannot_listen("agi.host", "agi.port", host, port, caught.value))


async def test_a_taken_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = await reason("127.0.0.1", port)
    assert said == f"agi.port: can't listen on 127.0.0.1:{port}: Address already in use"


async def test_an_address_that_is_not_ours() -> None:
    assert (
        await reason("192.0.2.1", 0)
        == "agi.host: can't listen on 192.0.2.1:0: Cannot assign requested address"
    )


async def test_a_name_that_does_not_resolve() -> None:
    assert (await reason("no such host", 0)).startswith("agi.host: can't listen on no such host:0: ")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "x"), "agi.port: can't listen on [::]:80: Permission denied"),
        (OSError("nobody knows"), "agi.host: can't listen on [::]:80: nobody knows"),
    ],
)
def test_other_reasons(error: OSError, said: str) -> None:
    assert str(cannot_listen("agi.host", "agi.port", "::", 80, error)) == said


async def test_the_dialplans_door_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        door = AgiServer(AgiSettings(port=taken.getsockname()[1]), lambda request: None)  # type: ignore
        with pytest.raises(SettingsError, match=r"^agi\.port: can't listen on 127\.0\.0\.1:"):
            await door.start()
