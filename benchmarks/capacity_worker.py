"""How many live taps one analysis worker carries: paced stereo taps of a recorded call, 1 and then N.

    python benchmarks/capacity_worker.py --taps 50 --seconds 60 [--customer C.flac --agent A.flac]

Prints one JSON object. The sender runs in a process of its own on the same machine and is counted in
nothing but the machine's load; the single tap in the same run is the baseline.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import soundfile

from emocx_pbx.analysis.messages import AnnounceTap, ReadingMade, TapEnded, TapStarted
from emocx_pbx.analysis.pool import ToService, WorkerPool
from emocx_pbx.settings.settings import AnalysisSettings, LogSettings

DATA = Path(__file__).parents[1] / "tests" / "data" / "audio"
FRAME_S = 0.02
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--taps", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--customer", type=Path, default=DATA / "call_customer.flac")
    parser.add_argument("--agent", type=Path, default=DATA / "call_agent.flac")
    parser.add_argument("--speech-model", default="auto")
    options = parser.parse_args()
    result = {
        "cpus": os.cpu_count(),
        "baseline": asyncio.run(measure(options, 1)),
        "load": asyncio.run(measure(options, options.taps)),
    }
    json.dump(result, sys.stdout, indent=2)
    print()


async def measure(options: argparse.Namespace, taps: int) -> dict[str, Any]:
    """Figures of one worker under `taps` taps."""
    got: list[tuple[float, ToService]] = []
    all_ended = asyncio.Event()

    def take(message: ToService) -> None:
        got.append((time.time(), message))
        if sum(isinstance(m, TapEnded) for _, m in got[-taps:]) and count(got, TapEnded) == taps:
            all_ended.set()

    settings = AnalysisSettings(
        base_port=0, speech_model=options.speech_model, text_model="off", transcriber="off"
    )
    pool = WorkerPool(settings, take, log_settings=LogSettings(level="warning"))
    begun = time.monotonic()
    if not await pool.start(60.0):
        raise SystemExit("the worker did not start")
    start_s = time.monotonic() - begun
    worker = pool.pick()
    assert worker.pid is not None
    uuids = [uuid4() for _ in range(taps)]
    for uuid in uuids:
        worker.send(AnnounceTap(str(uuid), str(uuid), "stereo"))
    cpu, at = cpu_s(worker.pid), time.monotonic()
    # A process of its own, so that pacing does not wait for the receiving side.
    sides = (options.customer, options.agent)
    sender = multiprocessing.get_context("spawn").Process(
        target=send_all, args=(worker.port, [uuid.bytes for uuid in uuids], sides, options.seconds)
    )
    sender.start()
    async with asyncio.timeout(options.seconds + 60):
        await all_ended.wait()
    cpu, wall = cpu_s(worker.pid) - cpu, time.monotonic() - at
    memory_mb = rss_mb(worker.pid)
    await pool.stop()
    sender.join(10)
    return figures(
        got, taps, cpu, wall, memory_mb, start_s, worker.ready.speech_model if worker.ready else None
    )


def figures(
    got: list[tuple[float, ToService]],
    taps: int,
    cpu: float,
    wall: float,
    memory_mb: float,
    start_s: float,
    model: str | None,
) -> dict[str, Any]:
    """What the messages say. A reading's delay counts from the end of its last speech; a reading at an
    utterance's end can't come before the 0.4 s of silence that end it (0.1 s of them belong to it).
    """
    began = {m.uuid: m.at for _, m in got if isinstance(m, TapStarted)}
    delays = [at - began[m.uuid] - m.t1 for at, m in got if isinstance(m, ReadingMade)]
    ends = [m for _, m in got if isinstance(m, TapEnded)]
    gaps = [m.max_gap_s for m in ends]
    return {
        "taps": taps,
        "speech_model": model,
        "worker_start_s": round(start_s, 2),
        "audio_s": round(sum(m.audio_s for m in ends), 1),
        "worker_cpu_share": round(cpu / wall, 3),
        "cpu_ms_per_tap_second": round(1000 * cpu / max(1e-9, sum(m.audio_s for m in ends)), 2),
        "worker_memory_mb": round(memory_mb),
        "readings": len(delays),
        "reading_delay_s": percentiles(delays),
        "max_gap_s": percentiles(gaps),
        "taps_with_gap_over_200_ms": sum(gap > 0.2 for gap in gaps),
        "missing_s": round(sum(m.missing_s for m in ends), 3),
    }


def percentiles(values: list[float]) -> dict[str, float] | None:
    if not values:
        return None
    marks = {"p50": 50, "p95": 95, "p99": 99, "max": 100}
    return {name: round(float(np.percentile(values, mark)), 3) for name, mark in marks.items()}


def count(got: list[tuple[float, ToService]], kind: type[Any]) -> int:
    return sum(isinstance(message, kind) for _, message in got)


def cpu_s(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def send_all(port: int, uuids: list[bytes], sides: tuple[Path, Path], seconds: float) -> None:
    """Every tap plays the call from another place, 50 messages a second by absolute deadlines."""
    parts = [soundfile.read(side, dtype="int16")[0] for side in sides]
    length = min(map(len, parts)) // 160 * 160
    stereo = np.stack([part[:length] for part in parts], axis=1).astype("<i2")
    frames = [b"\x10\x02\x80" + stereo[at : at + 160].tobytes() for at in range(0, length, 160)]
    asyncio.run(_send_all(port, [UUID(bytes=raw) for raw in uuids], frames, seconds))


async def _send_all(port: int, uuids: list[UUID], frames: list[bytes], seconds: float) -> None:
    async def tap(number: int, uuid: UUID) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        draining = asyncio.create_task(reader.read(-1))
        writer.write(b"\x01\x00\x10" + uuid.bytes)
        loop = asyncio.get_running_loop()
        begun = loop.time() + FRAME_S * number / len(uuids)
        first = number * 7919 % len(frames)
        for turn in range(round(seconds / FRAME_S)):
            await asyncio.sleep(max(0.0, begun + turn * FRAME_S - loop.time()))
            writer.write(frames[(first + turn) % len(frames)])
        writer.write_eof()
        await draining
        writer.close()

    async with asyncio.TaskGroup() as group:
        for number, uuid in enumerate(uuids):
            group.create_task(tap(number, uuid))


if __name__ == "__main__":
    main()
