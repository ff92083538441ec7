"""What a site of many calls needs: cores, memory, network, disk of each role, from what was measured of one.

    python -m benchmarks.plan [--calls 10000] [--minutes 4] [--accurate 0.5] [--receivers 1] [--table]

What one thing costs is in `Measured`, with the command that it comes from; --measured FILE, a JSON object,
has your own machine's figures where they differ. Prints JSON, or with --table the rows of docs/plan.md.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

#: Shares of a call in which customer and agent speak.
CUSTOMER, AGENT = 0.4, 0.4
#: Seconds of an utterance, and of the customer's speech from reading to reading.
UTTERANCE_S, READING_S = 2.5, 3.0
#: Events of a call that a receiver gets by default: routed, started, graded, ended.
EVENTS: Final = 4
#: Both sides, 8 kHz, 16 bit.
AUDIO_BYTES_S: Final = 32_000
#: No core is planned fuller than this.
FULL: Final = 0.7
#: Bytes of a stored reading or utterance with its index.
BYTES_A_ROW: Final = 212


@dataclass(frozen=True, slots=True)
class Measured:
    """What one thing costs on the machine of docs/capacity.md, a shared x86-64 core of 2026."""

    calls_a_core_light: float = 600
    """`benchmarks.worker_capacity --model cnn`: every reading in time."""
    calls_a_core_accurate: float = 165
    """`worker.carries`: what a worker says that it carries, every window heard by `voice`."""
    worker_mb: float = 304
    """`benchmarks.worker_capacity --model voice`, at 300 calls."""
    controller_calls_a_core: float = 10_600
    """`benchmarks.controller_capacity`: 5,000 calls took .47 of a core."""
    controller_mb_a_call: float = 0.025
    """The same: 191 MB at 5,000 calls, 72 MB at 200."""
    batch_server_ms: float = 0.12
    """`benchmarks.cluster_scale`: CPU of nats-server for a batch into the stream and out of it."""
    batch_taker_ms: float = 0.12
    """The same: of the controller."""
    batch_worker_ms: float = 0.14
    """The same: of the worker."""
    reading_server_ms: float = 0.07
    """The same: CPU of PostgreSQL for a reading with two utterances, a hundred in a transaction."""
    delivery_sender_ms: float = 0.96
    """The same: of a sender for a webhook."""
    delivery_server_ms: float = 0.88
    """The same: of PostgreSQL for it, from its row to the note that it was taken."""


@dataclass(frozen=True, slots=True)
class Site:
    """What is asked for."""

    calls: int = 10_000
    """At once."""
    minutes: float = 4.0
    """Mean length of a call."""
    accurate: float = 0.5
    """Share of the windows that the accurate model hears."""
    receivers: int = 1
    answer_s: float = 0.1
    """Until a receiver of webhooks answers."""


@dataclass(frozen=True, slots=True)
class Need:
    """One line of the plan."""

    role: str
    load: str
    cores: float
    hosts: str


def plan(site: Site, measured: Measured) -> list[Need]:
    """What each role needs, at most FULL of a core used.

    A worker's core carries 1 / (share / accurate + (1 - share) / light) calls, as CPU for windows adds up.
    """
    begun = site.calls / (60 * site.minutes)
    readings = site.calls * CUSTOMER / READING_S
    spans = site.calls * (CUSTOMER + AGENT) / UTTERANCE_S
    # These are of a core that is used to .85 already, as a worker keeps it; the rest is planned to FULL.
    carried = 1 / (
        site.accurate / measured.calls_a_core_accurate + (1 - site.accurate) / measured.calls_a_core_light
    )
    workers = math.ceil(site.calls / carried)
    # A batch has a reading with its tap's utterances since the last; agents' mostly go by themselves.
    batches = readings + spans / 2
    posts = begun * EVENTS * site.receivers
    rows = readings + spans
    return [
        Need(
            "workers",
            f"{carried:.0f} calls a core; audio {site.calls * AUDIO_BYTES_S * 8 / 1e9:.1f} Gbit/s",
            workers + batches * measured.batch_worker_ms / 1000,
            f"{workers} processes, {workers * measured.worker_mb / 1000:.0f} GB of memory, and a host's to "
            "spare at each site",
        ),
        Need(
            "controller",
            f"{begun:.0f} calls begin a second; {readings:.0f} readings",
            (site.calls / measured.controller_calls_a_core + batches * measured.batch_taker_ms / 1000) / FULL,
            f"one a PBX and its standby, {measured.controller_mb_a_call * site.calls + 70:.0f} MB; over "
            f"{measured.controller_calls_a_core * FULL:.0f} calls, two PBXes",
        ),
        Need(
            "NATS",
            f"{batches:.0f} batches a second",
            batches * measured.batch_server_ms / 1000 / FULL,
            "three hosts; each of them has this load, as each keeps a copy",
        ),
        Need(
            "PostgreSQL",
            f"{rows:.0f} rows a second, {rows * BYTES_A_ROW * 4 * 3600 / 1e9:.0f} GB a day (8 h, half load)",
            (readings * measured.reading_server_ms + posts * measured.delivery_server_ms) / 1000 / FULL,
            "one and its standby; a disk that makes some hundred commits a second",
        ),
        Need(
            "senders",
            f"{posts:.0f} webhooks a second; 8 at a time to a receiver make "
            f"{8 / site.answer_s:.0f} a second at most at {1000 * site.answer_s:.0f} ms",
            posts * measured.delivery_sender_ms / 1000 / FULL,
            "two" if posts < 8 / site.answer_s * site.receivers else "two, and receivers that answer sooner",
        ),
    ]


def table(needs: Sequence[Need]) -> str:
    """Rows for the page."""
    head = "| role | load | cores | hosts |\n|---|---|---|---|\n"
    return head + "".join(f"| {n.role} | {n.load} | {n.cores:.1f} | {n.hosts} |\n" for n in needs)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compute it."""
    usual = Site()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--calls", type=int, default=usual.calls, help="at once")
    parser.add_argument("--minutes", type=float, default=usual.minutes, help="mean length of a call")
    parser.add_argument("--accurate", type=float, default=usual.accurate, help="share of windows")
    parser.add_argument("--receivers", type=int, default=usual.receivers)
    parser.add_argument("--answer-s", type=float, default=usual.answer_s, help="of a receiver")
    parser.add_argument("--measured", type=Path, help="JSON object with costs of another machine")
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args(arguments)
    measured = replace(Measured(), **json.loads(args.measured.read_text())) if args.measured else Measured()
    needs = plan(Site(args.calls, args.minutes, args.accurate, args.receivers, args.answer_s), measured)
    print(table(needs) if args.table else json.dumps([asdict(need) for need in needs], indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
