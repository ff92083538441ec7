"""What the doctor says of a cluster: NATS there or not, who was heard, and who disagrees."""

from __future__ import annotations

import asyncio

import msgspec
import nats
import pytest
from wire.nats_helpers import connected

from emocx_pbx.analysis.cluster import subjects
from emocx_pbx.analysis.cluster.messages import Beat
from emocx_pbx.analysis.messages import Ready
from emocx_pbx.check import cluster as module
from emocx_pbx.check.check import check
from emocx_pbx.check.cluster import cluster_findings, worker_findings
from emocx_pbx.check.cluster_web import web_findings
from emocx_pbx.lab.nats import PrivateNats
from emocx_pbx.settings.settings import ClusterSettings, Settings

BEAT = Beat(
    worker="n1-0", life="n1-0-a", node="n1", site="berlin", address="10.0.0.1:9092", version="1.0",
    checksums={"cnn/1": "a" * 64}, ready=Ready(9092, "cnn/1", "lstm/1", None),
)  # fmt: skip


def beat(**changes: object) -> Beat:
    return msgspec.structs.replace(BEAT, **changes)


def said(*beats: Beat, own: int = 0) -> list[tuple[str, str]]:
    return [(finding.level, finding.what) for finding in worker_findings(beats, "1.0", own)]


def test_workers_that_agree_are_only_named() -> None:
    other = beat(worker="n2-0", life="b", site="", address="10.0.0.2:9092")
    assert said(BEAT, other) == [
        ("ok", "worker n1-0 at berlin: 10.0.0.1:9092, cnn/1, lstm/1"),
        ("ok", "worker n2-0: 10.0.0.2:9092, cnn/1, lstm/1"),
    ]


@pytest.mark.parametrize(
    ("other", "level", "what"),
    [
        (beat(worker="n2-0", version="0.9"), "warn", "other versions than 1.0: n2-0 0.9"),
        (
            beat(worker="n2-0", ready=Ready(1, "voice/5", "lstm/1", None)),
            "warn",
            "workers differ in their speech model: n1-0 cnn/1, n2-0 voice/5",
        ),
        (
            beat(worker="n2-0", checksums={"cnn/1": "b" * 64}),
            "fail",
            "cnn/1 is not the same everywhere: n1-0 aaaaaaaaaaaa, n2-0 bbbbbbbbbbbb",
        ),
        (
            beat(worker="n2-0", node="n2", address="127.0.0.1:9092"),
            "fail",
            "worker n2-0 says that Asterisk reaches it at 127.0.0.1:9092, its own host",
        ),
        (beat(life="b", address="10.0.0.2:9092"), "fail", "two workers are called n1-0 (10.0.0.2:9092)"),
    ],
)
def test_a_worker_that_disagrees_is_reported(other: Beat, level: str, what: str) -> None:
    assert (level, what) in said(BEAT, other)


def test_nobody_to_hear_calls_is_a_fault() -> None:
    assert said() == [("fail", "analysis.workers is 0, and no worker of another host was heard")]
    assert said(own=1) == []


async def test_workers_are_heard_over_nats(monkeypatch: pytest.MonkeyPatch) -> None:
    with PrivateNats() as server:
        bus = await connected(server.url)
        pace = await nats.connect(server.url)
        settings = Settings(cluster=ClusterSettings(nats=server.url))

        async def live() -> None:
            while True:
                await bus.tell(subjects.beat(BEAT.life), BEAT)
                await pace.flush()  # as often as the server answers

        monkeypatch.setattr(module, "LISTEN_S", 0.3)
        living = asyncio.create_task(live())
        found = [(finding.level, finding.what) for finding in await cluster_findings(settings)]
        living.cancel()
        await pace.close()
        await bus.close()
    assert found[:3] == [
        ("ok", "NATS answers"),
        ("ok", "no stream yet; the first worker makes it"),
        ("ok", "worker n1-0 at berlin: 10.0.0.1:9092, cnn/1, lstm/1"),
    ]


async def test_nats_that_is_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECT_S", 0.3)
    with PrivateNats() as server:
        url = server.url
    (finding,) = await cluster_findings(Settings(cluster=ClusterSettings(nats=url)))
    assert finding.level == "fail" and finding.what.startswith("NATS not reached: ")


async def test_one_host_alone_has_no_cluster_to_look_at() -> None:
    assert await cluster_findings(Settings()) == []


CONTROLLERS: dict[str, dict[str, object]] = {
    "a": {"node": "north", "version": "1.0", "acts": {"": 3}},
    "b": {"node": "south", "version": "1.0", "acts": {}},
}


def said_of_web(controllers: dict[str, dict[str, object]], version: str = "1.0") -> list[tuple[str, str]]:
    nodes = {"w": {"node": "pages", "version": version}}
    return [(f.level, f.what) for f in web_findings(controllers, nodes, "1.0", ("",), web=True)]


def test_controllers_and_web_nodes_are_named_with_what_they_act_for() -> None:
    assert said_of_web(CONTROLLERS) == [
        ("ok", "controller north acts for the PBX"),
        ("ok", "controller south stands by"),
        ("ok", "web node pages"),
    ]


def test_controllers_whose_policies_differ_are_named() -> None:
    north, south = CONTROLLERS["a"] | {"policy": "0123"}, CONTROLLERS["b"] | {"policy": "4567"}
    assert said_of_web({"a": north, "b": south})[-1] == (
        "warn", "controllers have different policies: north 0123, south 4567"
    )  # fmt: skip
    same = said_of_web({"a": north, "b": south | {"policy": "0123"}})
    older = said_of_web({"a": north, "b": CONTROLLERS["b"]})
    assert all(level == "ok" for level, _ in same + older)


def test_a_web_node_without_a_controller_is_told_so() -> None:
    assert said_of_web({})[-1][0] == "fail"
    assert said_of_web({"b": CONTROLLERS["b"]})[-1] == ("warn", "no controller acts for the PBX")
    level, what = said_of_web(CONTROLLERS, "0.9")[-1]
    assert (level, what) == ("warn", "controllers or web nodes of other versions than 1.0: pages 0.9")


async def test_a_web_nodes_check_asks_for_database_and_nats_and_nothing_of_asterisk() -> None:
    found = await check(Settings(), role="web")
    assert {"database", "cluster"} <= {finding.topic for finding in found if finding.level == "fail"}
    assert not {"asterisk", "models", "settings.risk"} & {finding.topic for finding in found}
