"""A cluster on hosts of its own: two PBXes with their doors, and two of every other role."""

from __future__ import annotations

import asyncio
import json
import random
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg

from benchmarks.cluster_faults.network import Network
from benchmarks.faults.telephones import Telephones
from benchmarks.faults.truth import Truth
from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.lab.asterisk import Installation, PrivateAsterisk
from emocx_pbx.lab.host import Host
from emocx_pbx.lab.nats import PrivateNats
from emocx_pbx.lab.node import NodeProcess, Section
from emocx_pbx.lab.postgres import PrivatePostgres
from emocx_pbx.lab.receiver import Received, Receiver
from emocx_pbx.lab.service import POLICY

PBXES: Final = ("berlin", "vienna")
CONTROLLERS: Final = ("north", "south")
WORKERS: Final = ("east", "west")
SENDERS: Final = ("post-1", "post-2")
WEB_NODES: Final = ("web-1", "web-2")
#: Each host has its own, so all may be the same.
AGI_PORT: Final = 4573
HTTP_PORT: Final = 8085
NATS_ROUTES: Final = 6222
#: With which a program reads what web nodes show.
TOKEN: Final = "a-token-for-the-run-of-a-cluster"
#: Light on the machine: what is tried here is not recognition.
LIGHT: Final = {"speech_model": "mlp", "transcriber": "off"}
#: What a node logs once it does its work.
UP: Final = {"worker": "worker.carries", "sender": "sender.up", "door": "door.up", "web": "web.up"}
START_S: Final = 120.0
LOOK_S: Final = 0.1
ANSWER_S: Final = 2.0


_TERMS: Final = "SELECT pbx, holder, epoch FROM lease WHERE until > extract(epoch FROM clock_timestamp())"


@dataclass(frozen=True, slots=True)
class Term:
    """The time for which a controller acts for a PBX."""

    holder: str
    epoch: int


@dataclass(slots=True)
class Node:
    """A process of ours, alone on its host but for the doors, which are beside their PBXes."""

    name: str
    role: str
    process: NodeProcess
    starts: int = 0

    @property
    def host(self) -> Host:
        """Where it runs."""
        return self.process.host

    async def start(self, up: bool = True) -> None:
        """Start it; unless told otherwise, wait until it does its work.

        Raises:
            PeerUnavailable: it does not in time.
        """
        self.starts += 1
        await self.process.start()
        if up and (key := UP.get(self.role)):
            await self.process.says(key, START_S, self.starts)


@dataclass(slots=True)
class Site:
    """All of it, for the faults to break."""

    network: Network
    pbxes: dict[str, PrivateAsterisk]
    truths: dict[str, Truth]
    nodes: dict[str, Node]
    nats: list[PrivateNats]
    database: PrivatePostgres
    receiver: Receiver
    chance: random.Random
    problems: list[str] = field(default_factory=list)
    """What went wrong beside what was meant to."""

    def of(self, role: str) -> list[Node]:
        """All nodes of a role."""
        return [node for node in self.nodes.values() if node.role == role]

    def some(self, role: str) -> Node:
        """One of them, by chance."""
        return self.chance.choice(self.of(role))

    async def terms(self) -> dict[str, Term]:
        """Who acts for each PBX, by the leases; PBXes for which nobody acts are not there."""
        address = f"postgresql://emocx@{self.database.host.managed}:{self.database.port}/postgres"
        try:
            connection = await asyncpg.connect(address, timeout=ANSWER_S)
            try:
                rows = await connection.fetch(_TERMS, timeout=ANSWER_S)
            finally:
                connection.terminate()
        except (
            OSError,
            TimeoutError,
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
        ):
            return {}
        return {row["pbx"]: Term(row["holder"], row["epoch"]) for row in rows}

    async def state(self, node: Node) -> Mapping[str, Any]:
        """A node's parts by its own word; empty: it says nothing."""
        said = await asyncio.to_thread(_read, node.host, "readyz")
        parts: Mapping[str, Any] = said.get("components", {})
        return parts

    async def shown_by(self, node: Node) -> str:
        """What keeps a web node from showing live calls; empty: nothing does."""
        said = await asyncio.to_thread(_read, node.host, "api/v1/live")
        return "" if "calls" in said else str(said.get("detail", "it does not answer"))

    async def acts(self, after: Mapping[str, Term], within_s: float) -> float:
        """When (Unix seconds) later terms than these have begun.

        Raises:
            PeerUnavailable: they have not in time.
        """
        ends = time.monotonic() + within_s
        while True:
            terms = await self.terms()
            if all(pbx in terms and terms[pbx].epoch > term.epoch for pbx, term in after.items()):
                return time.time()
            if time.monotonic() > ends:
                raise PeerUnavailable(f"nobody took over {', '.join(after)} within {within_s:g} s: {terms}")
            await asyncio.sleep(LOOK_S)

    async def led(self) -> None:
        """Until each PBX has one that acts.

        Raises:
            PeerUnavailable: it has none in time.
        """
        await self._until(self._lacks_leaders, START_S)

    async def whole(self, within_s: float = START_S) -> None:
        """Until every node runs, each PBX has one that acts, and both controllers are well.

        Raises:
            PeerUnavailable: it is not in time.
        """
        await self._until(self._lacks, within_s)

    async def _until(self, lacks: Callable[[], Awaitable[str]], within_s: float) -> None:
        ends = time.monotonic() + within_s
        while why := await lacks():
            if time.monotonic() > ends:
                raise PeerUnavailable(f"not whole within {within_s:g} s: {why}")
            await asyncio.sleep(LOOK_S)

    async def _lacks_leaders(self) -> str:
        missing = set(PBXES) - (await self.terms()).keys()
        return f"nobody acts for {', '.join(sorted(missing))}" if missing else ""

    async def _lacks(self) -> str:
        if ended := [node.name for node in self.nodes.values() if not node.process.running]:
            return f"{', '.join(ended)} ended"
        if why := await self._lacks_leaders():
            return why
        for node in self.of("controller"):
            state = await self.state(node)
            if not state or not state.get("analysis", {}).get("up"):
                return f"{node.name} has no workers: {state.get('analysis')}"
            for pbx in PBXES:
                if not state.get(f"controller {pbx}", {}).get("why"):
                    return f"{node.name} does not say who acts for {pbx}"
        for node in self.of("web"):
            if why := await self.shown_by(node):
                return f"{node.name} shows no live calls: {why}"
        return ""


def _read(host: Host, path: str) -> Mapping[str, Any]:
    """What is said there, refusals too; empty: nothing is."""
    request = urllib.request.Request(
        f"http://{host.managed}:{HTTP_PORT}/{path}", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    try:
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
                said = answer.read()
        except urllib.error.HTTPError as refused:
            said = refused.read()
        found = json.loads(said)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


class Builder:
    """Starts a site, part by part, each on a host of its own; a stack ends what it started."""

    def __init__(
        self, stack: AsyncExitStack, folder: Path, network: Network, program: Sequence[str] | None
    ) -> None:
        self._stack, self._folder, self._network = stack, folder, network
        self._program = program
        self.nats: list[PrivateNats] = []
        self._urls = ""

    def engines(self, servers: int, nats_server: str) -> PrivatePostgres:
        """PostgreSQL, and so many NATS servers."""
        database = self._stack.enter_context(PrivatePostgres(host=self._network.host("db")))
        hosts = [self._network.host(f"nats-{number + 1}") for number in range(servers)]
        routes = [f"nats://{host.address}:{NATS_ROUTES}" for host in hosts]
        for host in hosts:
            cluster = {"name": "lab", "listen": f"{host.address}:{NATS_ROUTES}", "routes": routes}
            nats = PrivateNats({"cluster": cluster} if servers > 1 else None, host, nats_server)
            self._stack.callback(nats.close)
            nats.launch()
            self.nats.append(nats)
        for nats in self.nats:
            nats.serves()
        self._urls = ",".join(nats.url for nats in self.nats)
        return database

    async def pbx(self, installation: Installation, name: str, agents: int) -> PrivateAsterisk:
        """An Asterisk whose dialplan asks the door beside it."""
        pbx = PrivateAsterisk(
            installation, agi=f"127.0.0.1:{AGI_PORT}", agents=agents, host=self._network.host(name)
        )
        await self._stack.enter_async_context(pbx)
        await pbx.cli(f"dialplan set global EMOCX_PBX {name}")
        return pbx

    async def telephones(self, pbx: PrivateAsterisk, recording: Path) -> None:
        """Those of its agents."""
        await self._stack.enter_async_context(Telephones(pbx.agent_port, recording, pbx.host))

    async def receiver(self, heard: list[tuple[float, Received]]) -> Receiver:
        """Takes webhooks on this machine."""
        receiver = Receiver(
            on_event=lambda received: heard.append((time.time(), received)), host=self._network.address
        )
        return await self._stack.enter_async_context(receiver)

    def node(
        self, name: str, role: str, words: tuple[str, ...], settings: Mapping[str, Section], host: Host
    ) -> Node:
        """One of ours, not started yet."""
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True)
        own = {**settings, "cluster": {"nats": self._urls, "node": name}}
        process = NodeProcess(folder, words, own, host)
        if self._program is not None:
            process.program = tuple(self._program)
        self._stack.push_async_callback(process.stop)
        return Node(name, role, process)

    def nodes(
        self, database: PrivatePostgres, pbxes: Mapping[str, PrivateAsterisk], receiver: Receiver
    ) -> dict[str, Node]:
        """All of them."""
        store = {"url": database.url()}
        links = [
            {"name": name, "host": pbx.host.address, "port": pbx.ami_port, "secret": pbx.secret}
            for name, pbx in pbxes.items()
        ]
        hook = {"name": "crm", "url": receiver.url, "secret": receiver.secret}
        sending: dict[str, Section] = {
            "store": store, "webhooks": [hook], "delivery": {"allow_networks": [self._network.all]},
        }  # fmt: skip
        http = {
            "host": "0.0.0.0", "plain_network": True, "public_metrics": True, "check_minutes": 0,
            "api_token": TOKEN,
        }  # fmt: skip
        serving: dict[str, Section] = {
            **sending,
            "asterisk": links,
            "routing": {"policy": str(POLICY)},
            "http": http,
            "analysis": {**LIGHT, "workers": 0, "spare_worker": False},
        }
        found = []
        for name in WORKERS:
            host = self._network.host(name)
            hearing = {
                "analysis": {**LIGHT, "bind": host.address, "host": host.address},
                "routing": {"policy": str(POLICY)},
            }
            found.append(self.node(name, "worker", ("worker",), hearing, host))
        for name in CONTROLLERS:
            words = ("serve", "--role", "controller")
            found.append(self.node(name, "controller", words, serving, self._network.host(name)))
        for name in SENDERS:
            words = ("serve", "--role", "sender")
            found.append(self.node(name, "sender", words, sending, self._network.host(name)))
        for name in WEB_NODES:
            words = ("serve", "--role", "web")
            found.append(self.node(name, "web", words, serving, self._network.host(name)))
        for name, pbx in pbxes.items():
            asking = {"agi": {"port": AGI_PORT}}
            found.append(self.node(f"door-{name}", "door", ("door",), asking, pbx.host))
        return {node.name: node for node in found}
