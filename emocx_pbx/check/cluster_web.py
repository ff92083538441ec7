"""The part of the check about controllers and web nodes, by what they send over NATS."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from emocx_pbx.check.finding import Finding

if TYPE_CHECKING:
    from emocx_pbx.wire.bus import Bus

#: Seconds for the next sign of life of each; they send two a second.
LISTEN_S: Final = 1.5

_ANY: Final = msgspec.msgpack.Decoder(dict[str, Any])


async def web_beats(bus: Bus) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """The latest signs of life of controllers and of web nodes, by process."""
    from emocx_pbx.analysis.cluster import subjects

    controllers: dict[str, dict[str, Any]] = {}
    nodes: dict[str, dict[str, Any]] = {}

    def on_news(news: dict[str, Any]) -> None:
        # Their messages belong to `web`, which is above this package.
        what = news.get("what")
        if isinstance(what, dict) and what.get("type") == "ControllerBeat":
            controllers[str(news.get("life"))] = what

    await bus.hear(subjects.WEB_NEWS, _ANY, on_news)
    await bus.hear(subjects.WEB_NODES, _ANY, lambda beat: nodes.update({str(beat.get("life")): beat}))
    await asyncio.sleep(LISTEN_S)
    return controllers, nodes


def web_findings(
    controllers: Mapping[str, Mapping[str, Any]],
    nodes: Mapping[str, Mapping[str, Any]],
    ours: str,
    pbxes: tuple[str, ...],
    *,
    web: bool,
) -> Iterator[Finding]:
    """Who is there, and whether they agree.

    Args:
        controllers: the latest beat of each.
        nodes: the same of web nodes.
        ours: version of this package.
        pbxes: names of those of the settings.
        web: this is to be a web node: it needs a controller.
    """
    for beat in _by_node(controllers):
        acts = [name or "the PBX" for name in sorted(beat.get("acts", {}))]
        does = f"acts for {', '.join(acts)}" if acts else "stands by"
        yield Finding("ok", "cluster", f"controller {beat.get('node')} {does}")
    for beat in _by_node(nodes):
        yield Finding("ok", "cluster", f"web node {beat.get('node')}")
    acted_for = {name for beat in controllers.values() for name in beat.get("acts", {})}
    if web and not controllers:
        yield Finding(
            "fail", "cluster", "no controller was heard: records are served, but no live calls, and no deeds",
            "start one with the same cluster.nats; of an older version it tells web nodes nothing",
        )  # fmt: skip
    elif web and (missing := sorted(set(pbxes) - acted_for)):
        named = ", ".join(name or "the PBX" for name in missing)
        yield Finding(
            "warn", "cluster", f"no controller acts for {named}",
            "is one with its settings running? `emocx-pbx status` there says what it waits for",
        )  # fmt: skip
    policies = {
        str(beat.get("node")): str(beat["policy"]) for beat in _by_node(controllers) if beat.get("policy")
    }
    if len(set(policies.values())) > 1:
        each = ", ".join(f"{node} {digest}" for node, digest in policies.items())
        yield Finding(
            "warn", "cluster", f"controllers have different policies: {each}",
            "copy one policy file to all of their hosts and reload the service there: else the other one "
            "counts once another controller acts",
        )  # fmt: skip
    others = {
        str(beat.get("node")): str(beat.get("version"))
        for beat in (*_by_node(controllers), *_by_node(nodes))
        if beat.get("version") != ours
    }
    if others:
        each = ", ".join(f"{node} {version}" for node, version in others.items())
        yield Finding(
            "warn", "cluster", f"controllers or web nodes of other versions than {ours}: {each}",
            "bring all hosts to one version; web nodes after the controllers",
        )  # fmt: skip


def _by_node(beats: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(beats.values(), key=lambda beat: str(beat.get("node")))
