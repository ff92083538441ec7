"""The part of the check about a cluster: NATS, its stream, and workers elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from emocx_pbx.check.cluster_web import web_beats, web_findings
from emocx_pbx.check.finding import Finding, Role
from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.settings.settings import Settings

if TYPE_CHECKING:
    from emocx_pbx.analysis.cluster.messages import Beat
    from emocx_pbx.wire.bus import Bus

#: Seconds for the connection, and for every worker's next sign of life.
CONNECT_S: Final = 3.0
LISTEN_S: Final = 1.5
#: Share of the stream's room from which it is nearly full.
FULL: Final = 0.8


async def cluster_findings(settings: Settings, role: Role = "all") -> list[Finding]:
    """Look at the cluster; no findings where there is none."""
    if not settings.cluster.servers:
        if role == "web":
            return [_fail("cluster.nats is empty: a web node reaches controllers by it", "set it")]
        return []
    try:
        from emocx_pbx.wire.bus import Bus
    except ModuleNotFoundError as error:
        return [_fail(f"{error.name} is not installed", "pip install 'emocx-pbx[cluster]'")]
    from emocx_pbx.analysis.cluster.plan import login_of, node_of

    said: list[str] = []
    bus = Bus(login_of(settings, "check"), lambda up, why: said.append(why))
    try:
        if not await bus.start(CONNECT_S):
            why = next((line for line in reversed(said) if line), "no answer")
            return [_fail(f"NATS not reached: {why}", "see cluster.nats, the login, and whether it runs")]
        found = [Finding("ok", "cluster", "NATS answers")]
        (controllers, nodes), beats = await asyncio.gather(web_beats(bus), _beats(bus))
        if role != "web":
            found += [await _stream(bus)]
            found += worker_findings(
                beats, version("emocx-pbx"), settings.analysis.workers, node_of(settings)
            )
        pbxes = tuple(pbx.name for pbx in settings.each_pbx())
        return [
            *found, *web_findings(controllers, nodes, version("emocx-pbx"), pbxes, web=role == "web"),
        ]  # fmt: skip
    except PeerUnavailable as error:
        return [_fail(str(error), "see cluster.tls_ca, cluster.tls_cert and cluster.tls_key")]
    finally:
        await bus.close()


async def _beats(bus: Bus) -> list[Beat]:
    import msgspec

    from emocx_pbx.analysis.cluster import subjects
    from emocx_pbx.analysis.cluster.messages import Beat

    beats: dict[str, Beat] = {}
    await bus.hear(
        subjects.BEATS, msgspec.msgpack.Decoder(Beat), lambda beat: beats.update({beat.life: beat})
    )
    await asyncio.sleep(LISTEN_S)
    return sorted(beats.values(), key=lambda beat: beat.worker)


async def _stream(bus: Bus) -> Finding:
    from emocx_pbx.analysis.cluster import subjects
    from emocx_pbx.wire.stream import state_of

    try:
        state = await state_of(bus, subjects.STREAM)
    except PeerUnavailable as error:
        return _fail(f"JetStream does not answer: {error}", "turn JetStream on in every NATS server")
    if state is None:
        return Finding("ok", "cluster", "no stream yet; the first worker makes it")
    share = state.used_bytes / state.room_bytes if state.room_bytes > 0 else 0.0
    if share >= FULL:
        return Finding(
            "warn", "cluster", f"the stream of what is heard is full to {share:.0%}",
            "does a controller act for every PBX? `emocx-pbx status` there says what it waits for",
        )  # fmt: skip
    return Finding("ok", "cluster", f"the stream keeps {state.messages} batches that no controller wrote yet")


def worker_findings(beats: Sequence[Beat], ours: str, own_workers: int, node: str = "") -> Iterator[Finding]:
    """Who is there, and whether they agree.

    Args:
        beats: the latest of each.
        ours: version of this package.
        own_workers: workers of this host's own.
        node: what this host is called.
    """
    if not beats and not own_workers:
        yield _fail(
            "analysis.workers is 0, and no worker of another host was heard", "start `emocx-pbx worker` there"
        )
    for beat in beats:
        models = ", ".join(name for name in (beat.ready.speech_model, beat.ready.text_model) if name)
        where = f" at {beat.site}" if beat.site else ""
        state = ", drains" if beat.draining else ""
        yield Finding(
            "ok", "cluster", f"worker {beat.worker}{where}: {beat.address}, {models or 'no model'}{state}"
        )
    for beat in beats:
        if beat.node != node and beat.address.startswith(("127.", "localhost:")):
            yield _fail(
                f"worker {beat.worker} says that Asterisk reaches it at {beat.address}, its own host",
                "set analysis.host and analysis.bind there to its address; right only if Asterisk runs there",
            )
    for name, beat in _twice(beats):
        yield _fail(f"two workers are called {name} ({beat.address})", "give each host its own cluster.node")
    others = {beat.worker: beat.version for beat in beats if beat.version != ours}
    if others:
        yield Finding(
            "warn", "cluster", f"other versions than {ours}: {_each(others)}",
            "bring all hosts to one version; calls go on meanwhile",
        )  # fmt: skip
    for kind in ("speech_model", "text_model"):
        used = {beat.worker: getattr(beat.ready, kind) or "none" for beat in beats}
        if len(set(used.values())) > 1:
            yield Finding(
                "warn", "cluster", f"workers differ in their {kind.replace('_', ' ')}: {_each(used)}",
                "promote the same version everywhere: calls are else read differently by chance",
            )  # fmt: skip
    if (
        len(learnt := {beat.worker: beat.topics or "none" for beat in beats})
        and len(set(learnt.values())) > 1
    ):
        yield Finding(
            "warn", "cluster", f"workers learnt different topics: {_each(learnt)}",
            "have the same policy on all hosts, then reload the service: it tells all workers its topics",
        )  # fmt: skip
    for beat in beats:
        if beat.behind:
            yield Finding(
                "warn", "cluster", f"worker {beat.worker} takes no calls: {beat.behind}",
                "see its log; a folder that can't be written: copy the models, set analysis.models_dir",
            )  # fmt: skip
    for model in sorted({model for beat in beats for model in beat.checksums}):
        sums = {beat.worker: beat.checksums[model][:12] for beat in beats if model in beat.checksums}
        if len(set(sums.values())) > 1:
            yield _fail(f"{model} is not the same everywhere: {_each(sums)}", "copy one folder to all hosts")


def _twice(beats: Sequence[Beat]) -> Iterator[tuple[str, Beat]]:
    seen: set[str] = set()
    for beat in beats:
        if beat.worker in seen:
            yield beat.worker, beat
        seen.add(beat.worker)


def _each(found: Mapping[str, str]) -> str:
    return ", ".join(f"{worker} {value}" for worker, value in found.items())


def _fail(what: str, remedy: str) -> Finding:
    return Finding("fail", "cluster", what, remedy)
