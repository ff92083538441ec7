"""`emocx-pbx models list|show|verify|promote|rollback|fetch`: versions of models, and which one is in use."""

from __future__ import annotations

import argparse
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from emocx_pbx.commands import fetch
from emocx_pbx.commands.evaluate import add_clips, figures_text, speech_figures, text_figures
from emocx_pbx.commands.shared import (
    NOT_IN_ORDER,
    add_common,
    existing_store,
    local,
    read_settings,
    show,
    system_user,
    table,
)
from emocx_pbx.errors import InputError, ModelError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from emocx_pbx.deeds.models import Switched, SwitchesModels
    from emocx_pbx.emotion.registry import Registry
    from emocx_pbx.settings.settings import Settings
    from emocx_pbx.store.audit import AuditLog

KINDS = ("speech", "text")
#: Seconds to wait for the connection to a cluster's NATS.
CONNECT_S = 5.0
SWITCH = "running service: systemctl reload emocx-pbx (or kill -HUP), no restart needed"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the commands."""
    parser = commands.add_parser("models", help="versions of models: list, verify, promote, roll back")
    inner = parser.add_subparsers(dest="models_command", required=True, metavar="COMMAND")
    listing = inner.add_parser("list", help="every model and version, checksums verified")
    one = inner.add_parser("show", help="a model's card")
    one.add_argument("model", metavar="NAME[/VERSION]")
    check = inner.add_parser("verify", help="compare files with the checksums; exit 1 if one differs")
    check.add_argument("model", nargs="?", metavar="NAME[/VERSION]", help="default: all")
    up = inner.add_parser("promote", help="put a version into use, if it is no worse on held-out data")
    up.add_argument("model", metavar="NAME/VERSION")
    add_clips(up, required=False)
    up.add_argument("--csv", metavar="CSV", type=_path, help="for a text model: held-out messages")
    up.add_argument("--anyway", metavar="REASON", help="promote without or against the comparison")
    back = inner.add_parser("rollback", help="return to the version in use before the last promotion")
    back.add_argument("model", metavar="NAME")
    fetch.add(inner)
    for command, run in ((listing, _list), (one, _show), (check, _verify), (up, _promote), (back, _rollback)):
        command.add_argument("--kind", choices=KINDS, help="where speech and text have one name")
        command.add_argument("--models", metavar="DIR", type=_path, help="folder of models")
        add_common(command, run)


def _path(text: str) -> Path:
    from pathlib import Path

    return Path(text)


def _registry(args: argparse.Namespace) -> Registry:
    from emocx_pbx.emotion.registry import Registry

    return Registry(args.models or read_settings(args).models_path())


def _states(registry: Registry, kind: str | None = None) -> list[dict[str, Any]]:
    """Every version, whether it is in use, and its state."""
    from emocx_pbx.emotion.voice import verify_encoders

    models = []
    for of in (kind,) if kind else KINDS:
        for name in registry.names(of):
            for version in registry.versions(of, name):
                state, threshold = "ok", None
                try:
                    card = registry.find(of, f"{name}/{version}").card
                    threshold = card.threshold
                    verify_encoders(card.recipe)
                except ModelError as e:
                    state = str(e)
                model, current = f"{name}/{version}", version == registry.current(of, name)
                models.append(
                    {"kind": of, "model": model, "current": current, "threshold": threshold, "state": state}
                )
    return models


def _list(args: argparse.Namespace) -> int:
    registry = _registry(args)
    models = _states(registry, args.kind)
    rows = [
        (m["kind"], m["model"], "current" if m["current"] else "", m["threshold"], m["state"]) for m in models
    ]
    head = ("kind", "model", "", "threshold", "state")
    show(args, {"folder": str(registry.path), "models": models},
         lambda: table(head, rows, f"no models in {registry.path}"))  # fmt: skip
    return 0


def _show(args: argparse.Namespace) -> int:
    registry = _registry(args)
    kind = _kind(registry, args)
    folder = registry.find(kind, args.model)
    steps = registry.steps(kind, folder.card.name)
    card = {name: getattr(folder.card, name) for name in folder.card.__slots__}
    result = {"folder": str(folder.path), **card, "promotions": steps}

    def words() -> str:
        past = [
            f"  {local(s.get('at'))} {s['from']} -> {s['to']} by {s.get('by')}: {s.get('why')}" for s in steps
        ]
        return "\n".join(
            [figures_text({k: v for k, v in result.items() if k != "promotions"}), "promotions:", *past]
        )

    show(args, result, words)
    return 0


def _verify(args: argparse.Namespace) -> int:
    registry = _registry(args)
    if args.model is None:
        models = _states(registry, args.kind)
    else:
        kind = _kind(registry, args)
        name, _, version = args.model.partition("/")
        wanted = f"{name}/{version or registry.current(kind, name)}"
        models = [m for m in _states(registry, kind) if m["model"] == wanted]
        if not models:
            raise InputError(f"no {kind} model {wanted} in {registry.path}")
    weights = [] if args.model or args.kind else fetch.states()
    rows = [(m["kind"], m["model"], m["state"]) for m in models]
    rows += [("weights", w["set"], w["state"]) for w in weights]
    show(args, {"folder": str(registry.path), "models": models, "weights": weights},
         lambda: table(("kind", "model", "state"), rows, f"no models in {registry.path}"))  # fmt: skip
    return 0 if all(one["state"] == "ok" for one in (*models, *weights)) else NOT_IN_ORDER


async def _audited(
    args: argparse.Namespace, deed: Callable[[AuditLog | None, SwitchesModels | None], Awaitable[Switched]]
) -> Switched:
    """Do it with the service's audit log, if there is one already, and for all hosts of a cluster."""
    settings = read_settings(args)
    async with _cluster(settings) as spread:
        if not settings.store.url and not settings.store_path().is_file():
            return await deed(None, spread)
        async with existing_store(settings) as store:
            return await deed(store.audit, spread)


@asynccontextmanager
async def _cluster(settings: Settings) -> AsyncIterator[SwitchesModels | None]:
    """What reaches the other hosts of the settings' cluster; None: there is no cluster."""
    if not settings.cluster.servers:
        yield None
        return
    from emocx_pbx.analysis.cluster.model_shelf import ModelShelf
    from emocx_pbx.analysis.cluster.plan import login_of, stream_of
    from emocx_pbx.analysis.cluster.spreading import Spreading
    from emocx_pbx.errors import PeerUnavailable
    from emocx_pbx.wire.bus import Bus

    bus = Bus(login_of(settings, "command"))
    try:
        if not await bus.start(CONNECT_S):
            raise PeerUnavailable(f"cluster.nats: no connection within {CONNECT_S:g} s")
        yield Spreading(bus, ModelShelf(bus, stream_of(settings).replicas))
    finally:
        await bus.close()


def _promote(args: argparse.Namespace) -> int:
    import asyncio

    from emocx_pbx.deeds import models as deeds

    registry = _registry(args)
    kind = _kind(registry, args)
    name, _, version = args.model.partition("/")
    if not version:
        raise InputError(f"{args.model}: say which version, e.g. {name}/{registry.versions(kind, name)[-1]}")
    new = registry.find(kind, args.model).card.title
    current = f"{name}/{registry.current(kind, name)}"
    if new == current:
        raise InputError(f"{new} is in use already")
    data = args.clips if kind == "speech" else args.csv
    if data is None and args.anyway is None:
        wanted = "--clips CSV" if kind == "speech" else "--csv CSV"
        raise InputError(f"promote: say on which held-out data to compare with {current}: {wanted}")
    comparison: dict[str, Any] | None = None
    if data is not None:
        evaluate = speech_figures if kind == "speech" else text_figures
        comparison = evaluate(args, new, registry.path, current)["comparison"]
    promoted = args.anyway is not None or (comparison is not None and comparison["promote"])
    switched: Switched | None = None
    if promoted:
        why = args.anyway or (comparison or {}).get("why")
        promoting = _audited(
            args,
            lambda audit, spread: deeds.promote(
                registry, audit, kind, name, version, str(why), time.time(), system_user(), comparison, spread
            ),
        )
        switched = asyncio.run(promoting)
    result = {"kind": kind, "model": new, "before": current, "promoted": promoted, "comparison": comparison}
    result |= {"late": list(switched.late)} if switched else {}

    def words() -> str:
        verdict = (
            f"{new} is in use instead of {current}; {_how(args, switched)}"
            if switched
            else f"refused: {current} stays"
        )
        return f"{figures_text(comparison)}\n{verdict}" if comparison else verdict

    show(args, result, words)
    return 0 if promoted else NOT_IN_ORDER


def _rollback(args: argparse.Namespace) -> int:
    import asyncio

    from emocx_pbx.deeds import models as deeds

    registry = _registry(args)
    kind, now = _kind(registry, args), time.time()
    returning = _audited(
        args,
        lambda audit, spread: deeds.rollback(registry, audit, kind, args.model, now, system_user(), spread),
    )
    switched = asyncio.run(returning)
    result = {
        "kind": kind, "model": f"{args.model}/{switched.after}", "before": f"{args.model}/{switched.before}",
        "late": list(switched.late),
    }  # fmt: skip
    show(
        args,
        result,
        lambda: f"{result['model']} is in use instead of {result['before']}; {_how(args, switched)}",
    )
    return 0


def _how(args: argparse.Namespace, switched: Switched) -> str:
    """How running services get the new version."""
    if not read_settings(args).cluster.servers:
        return SWITCH
    if not switched.late:
        return "all hosts of the cluster switched"
    return f"the cluster switched; these take no calls until they have it, too: {', '.join(switched.late)}"


def _kind(registry: Registry, args: argparse.Namespace) -> str:
    """Whether a name is a speech or a text model's."""
    name = args.model.partition("/")[0]
    found = [kind for kind in KINDS if registry.versions(kind, name)] if name else []
    if args.kind is not None:
        return str(args.kind)
    if len(found) != 1:
        why = "is a speech and a text model: say --kind" if found else f"no such model in {registry.path}"
        raise InputError(f"{name or args.model!r}: {why}")
    return found[0]
