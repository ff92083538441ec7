"""Messages over a real NATS server: asked with deadlines, told, refused, and on after the server was away."""

from __future__ import annotations

import asyncio
import os
import subprocess
from contextlib import AsyncExitStack

import msgspec
import nkeys
import pytest
from boxes import Box
from wire.nats_helpers import Said, States, connected

from emocx_pbx.errors import PeerUnavailable, RefusedError
from emocx_pbx.lab.nats import PrivateNats
from emocx_pbx.wire import bus as module
from emocx_pbx.wire.bus import Bus, BusLogin

SAID = msgspec.msgpack.Decoder(Said)


async def two(server: PrivateNats, closing: AsyncExitStack) -> tuple[Bus, Bus]:
    one, other = await connected(server.url), await connected(server.url)
    closing.push_async_callback(one.close)
    closing.push_async_callback(other.close)
    return one, other


async def test_what_is_asked_is_answered(server: PrivateNats, closing: AsyncExitStack) -> None:
    one, other = await two(server, closing)

    async def doubled(said: Said) -> Said:
        return Said(2 * said.number)

    await other.answer("lab.double", SAID, doubled)
    assert await one.ask("lab.double", Said(4), SAID, 5.0) == Said(8)


async def test_nobody_there_is_told_at_once(server: PrivateNats, closing: AsyncExitStack) -> None:
    one, _ = await two(server, closing)
    with pytest.raises(PeerUnavailable, match=r"nobody answers lab\.nobody"):
        await one.ask("lab.nobody", Said(1), SAID, 60.0)


async def test_an_answer_that_does_not_come_is_told_in_time(
    server: PrivateNats, closing: AsyncExitStack
) -> None:
    one, other = await two(server, closing)

    async def never(said: Said) -> Said:
        await asyncio.Event().wait()
        return said

    await other.answer("lab.never", SAID, never)
    with pytest.raises(PeerUnavailable, match=r"no answer on lab\.never within 0\.05 s"):
        await one.ask("lab.never", Said(1), SAID, 0.05)


async def test_a_no_is_told_with_its_reason(server: PrivateNats, closing: AsyncExitStack) -> None:
    one, other = await two(server, closing)

    async def handle(said: Said) -> Said:
        if said.number == 1:
            raise RefusedError("not\nthis one")
        if said.number == 2:
            raise PeerUnavailable("not now")
        raise ValueError("our own fault")

    await other.answer("lab.no", SAID, handle)
    with pytest.raises(RefusedError, match="not this one"):
        await one.ask("lab.no", Said(1), SAID, 5.0)
    with pytest.raises(PeerUnavailable, match="not now"):
        await one.ask("lab.no", Said(2), SAID, 5.0)
    with pytest.raises(PeerUnavailable, match="failed"):
        await one.ask("lab.no", Said(3), SAID, 5.0)


async def test_a_slow_answer_holds_up_no_other(server: PrivateNats, closing: AsyncExitStack) -> None:
    one, other = await two(server, closing)
    asked = asyncio.Event()

    async def handle(said: Said) -> Said:
        if said.number == 1:
            await asked.wait()
        asked.set()
        return said

    await other.answer("lab.slow", SAID, handle)
    slow = asyncio.create_task(one.ask("lab.slow", Said(1), SAID, 20.0))
    assert await one.ask("lab.slow", Said(2), SAID, 20.0) == Said(2)
    assert await slow == Said(1)


async def test_more_requests_than_can_be_handled_are_refused(
    server: PrivateNats, closing: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_ASKED", 1)
    one, other = await two(server, closing)
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def handle(said: Said) -> Said:
        asked.set()
        await go_on.wait()
        return said

    await other.answer("lab.full", SAID, handle)
    first = asyncio.create_task(one.ask("lab.full", Said(1), SAID, 20.0))
    async with asyncio.timeout(20):
        await asked.wait()
    with pytest.raises(PeerUnavailable, match="too many requests"):
        await one.ask("lab.full", Said(2), SAID, 20.0)
    go_on.set()
    assert await first == Said(1)


async def test_a_queue_group_shares_requests(server: PrivateNats, closing: AsyncExitStack) -> None:
    one, other = await two(server, closing)

    async def mine(said: Said) -> Said:
        return Said(1)

    async def theirs(said: Said) -> Said:
        return Said(2)

    await one.answer("lab.shared", SAID, mine, queue="group")
    await other.answer("lab.shared", SAID, theirs, queue="group")
    answers = [await one.ask("lab.shared", Said(0), SAID, 5.0) for _ in range(64)]
    assert {said.number for said in answers} == {1, 2}


async def test_what_is_told_comes_in_order_and_nonsense_ends_nothing(
    server: PrivateNats, closing: AsyncExitStack
) -> None:
    one, other = await two(server, closing)
    box = Box()
    await other.hear("lab.told.*", SAID, box)
    await one._client.publish("lab.told.a", b"\xc1 no message")
    for number in range(100):
        assert await one.tell("lab.told.a", Said(number))
    await box.until(lambda: len(box.found) == 100)
    assert [said.number for said in box.found] == list(range(100))


@pytest.mark.parametrize("how", ["kill", "freeze"])
async def test_the_bus_goes_on_when_the_server_is_back(
    server: PrivateNats, closing: AsyncExitStack, how: str
) -> None:
    states, box = States(), Box()
    one = await connected(server.url, states)
    other = await connected(server.url)
    closing.push_async_callback(one.close)
    closing.push_async_callback(other.close)
    await other.hear("lab.again", SAID, box)
    getattr(server, how)()
    await states.be(False)
    with pytest.raises(PeerUnavailable):
        await one.ask(
            "lab.again", Said(1), SAID, 60.0
        )  # at once: nothing waits for a connection that is away
    assert not await one.tell("lab.again", Said(1))
    (server.start if how == "kill" else server.thaw)()
    await states.be(True)
    async with asyncio.timeout(20):
        while not box.found:  # until the other one is back as well
            await one.tell("lab.again", Said(2))
            await asyncio.sleep(0)
    assert {said.number for said in box.found} == {2}


async def test_a_server_that_comes_later_is_found_and_subscriptions_hold(
    server: PrivateNats, closing: AsyncExitStack
) -> None:
    server.stop()
    states, box = States(), Box()
    early = Bus(BusLogin((server.url,)), states.observed)
    closing.push_async_callback(early.close)
    assert not await early.start(0.05)
    await early.hear("lab.early", SAID, box)
    server.start()
    await states.be(True)
    assert await early.tell("lab.early", Said(1))
    await box.until(lambda: box.found)


@pytest.mark.parametrize("kind", ["password", "nkey"])
async def test_the_bus_logs_in(kind: str) -> None:
    seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
    public = nkeys.from_seed(seed).public_key.decode()
    users = {"password": [{"user": "emocx", "password": "hush"}], "nkey": [{"nkey": public}]}[kind]
    login = {"password": {"user": "emocx", "password": "hush"}, "nkey": {"nkey_seed": seed.decode()}}[kind]
    with PrivateNats({"authorization": {"users": users}}) as server:
        bus = await connected(server.url, **login)
        await bus.close()
        states = States()
        stranger = Bus(BusLogin((server.url,)), states.observed)
        assert not await stranger.start(0.2)
        await states.until(lambda: [why for up, why in states.found if "uthorization" in why])
        await stranger.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A server's own, for 127.0.0.1, signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    ask = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=nats"
    files = [
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-out",
        str(folder / "c"),
        "-keyout",
        str(folder / "k"),
    ]
    subprocess.run([*ask.split(), *files], check=True, capture_output=True)
    return str(folder / "c"), str(folder / "k")


async def test_tls_with_the_right_ca_only(certificate: tuple[str, str]) -> None:
    cert, key = certificate
    with PrivateNats({"tls": {"cert_file": cert, "key_file": key}}) as server:
        url = server.url.replace("nats://", "tls://")
        bus = await connected(url, tls_ca=cert)
        assert await bus.tell("lab.tls", Said(1))
        await bus.close()
        states = States()
        stranger = Bus(BusLogin((url,)), states.observed)
        assert not await stranger.start(0.2)
        await states.until(lambda: [why for up, why in states.found if "ertificate" in why])
        await stranger.close()


async def test_a_certificate_that_can_not_be_read_is_told() -> None:
    with pytest.raises(PeerUnavailable, match=r"cluster\.tls_ca"):
        await Bus(BusLogin(("tls://127.0.0.1:1",), tls_ca="/nowhere/ca.pem")).start(0.1)


async def test_an_answerer_is_found_as_soon_as_it_says_that_it_is_there(
    server: PrivateNats, closing: AsyncExitStack
) -> None:
    one, other = await two(server, closing)

    async def same(said: Said) -> Said:
        return said

    for number in range(200):
        await other.answer(f"lab.found.{number}", SAID, same)
        assert await one.ask(f"lab.found.{number}", Said(number), SAID, 20.0) == Said(number)
