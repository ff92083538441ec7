"""`emocx-pbx worker`: analyse calls for the controllers of a cluster, on any host, and end in order."""

from __future__ import annotations

import argparse
import signal
from typing import TYPE_CHECKING

from emocx_pbx.commands.shared import add_common, in_loop, read_settings, show

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from emocx_pbx.analysis.cluster.nats_link import NatsLink
    from emocx_pbx.analysis.cluster.place import WorkerIdentity
    from emocx_pbx.dispatch.policy_in_force import Policies
    from emocx_pbx.settings.settings import Settings


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("worker", help="analyse calls for the controllers of a cluster, on any host")
    add_common(parser, run, json=False)
    parser.add_argument(
        "--index", type=int, default=0, metavar="N",
        help="which worker of this host it is: its port is analysis.base_port + N",
    )  # fmt: skip
    deeds = parser.add_subparsers(dest="deed", metavar="DEED")
    drain = deeds.add_parser("drain", help="let a worker take nothing new, and end with its last call")
    drain.add_argument("name", metavar="WORKER", help="its name, NODE-N, as `emocx-pbx check` shows it")
    add_common(drain, in_loop(run_drain))


def run(args: argparse.Namespace) -> int:
    """Analyse calls until SIGTERM, Ctrl-C, or drained."""
    import asyncio
    from importlib.metadata import version

    from emocx_pbx.analysis.worker.process import prepare

    settings = _cluster_settings(args)
    prepare()
    from emocx_pbx.analysis.cluster.place import WorkerIdentity
    from emocx_pbx.analysis.cluster.plan import login_of, new_life, node_of, stream_of
    from emocx_pbx.analysis.config import WorkerConfig
    from emocx_pbx.analysis.worker.node import work
    from emocx_pbx.dispatch.policy_in_force import Policies
    from emocx_pbx.observe.logs import configure

    # Reloaded are only those that decide themselves: the others get topics from the controllers.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    configure(settings.log)
    node = node_of(settings)
    name = f"{node}-{args.index}"
    policies = Policies(settings.policy_path(), [pbx.name for pbx in settings.each_pbx()])
    config = WorkerConfig(
        settings=settings.analysis,
        topics={topic: tuple(said) for topic, said in policies.policy.topics.items()},
        index=args.index,
        log=settings.log,
        store_words=settings.privacy.store_words,
    )
    place = WorkerIdentity(
        worker=name,
        life=new_life(name),
        node=node,
        site=settings.cluster.site,
        host=settings.analysis.host,
        version=version("emocx-pbx"),
    )
    login, plan = login_of(settings, "worker"), stream_of(settings)
    beside = _beside(settings, policies, place) if settings.cluster.local else None
    return asyncio.run(work(config, login, plan, place, beside))


def _beside(
    settings: Settings, policies: Policies, place: WorkerIdentity
) -> Callable[[NatsLink], AbstractAsyncContextManager[None]]:
    """What answers the door on this host while NATS is unreachable."""
    from emocx_pbx.service.alone import Alone, socket_of

    path = socket_of(settings.resolve(settings.cluster.local), place.worker)
    return lambda link: Alone(settings, policies, link, place.life).listening(path)


async def run_drain(args: argparse.Namespace) -> int:
    """Ask one worker to drain."""
    import msgspec

    from emocx_pbx.analysis.cluster import subjects
    from emocx_pbx.analysis.cluster.messages import Drain, Draining
    from emocx_pbx.analysis.cluster.plan import login_of
    from emocx_pbx.errors import PeerUnavailable
    from emocx_pbx.wire.bus import Bus

    bus = Bus(login_of(_cluster_settings(args), "command"))
    try:
        if not await bus.start(5.0):
            raise PeerUnavailable("cluster.nats: no connection within 5 s")
        answers = msgspec.msgpack.Decoder(Draining)
        drained = await bus.ask(subjects.drain(args.name), Drain(), answers, 2.0)
    finally:
        await bus.close()

    def words() -> str:
        return f"{args.name} takes nothing new; it ends with the last of {drained.sessions} calls"

    show(args, {"worker": args.name, "sessions": drained.sessions}, words)
    return 0


def _cluster_settings(args: argparse.Namespace) -> Settings:
    from emocx_pbx.errors import SettingsError

    settings = read_settings(args)
    if not settings.cluster.servers:
        raise SettingsError("cluster.nats is empty: a worker of its own needs the servers of a cluster")
    return settings
