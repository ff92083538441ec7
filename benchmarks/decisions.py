"""How long callers wait for a decision: the dialplan's queries, in text and spoken, alongside tapped calls.

    python -m benchmarks.decisions [--workers 1] [--taps 60] [--seconds 30] [--rate 50] [--callers 10]
                                   [--rounds 10]

The service's own parts (controller, workers with their models, store) in this process and the workers'; in
Asterisk's place raw FastAGI and AudioSocket clients, in processes of their own. Of each caller who has an
answer Asterisk's events are told: they join their queue, and hang up. While so many taps of a recorded call
run, --rate texts a second are asked about by FastAGI, each from its connection to the last variable; then
--callers at once speak a sentence of a recording, again and again, each from its last word to the queue: the
0.8 s of silence that end a question are in it. Both without any tap come first. Prints one JSON object; exit
status 1 if a p99 of texts is over 30 ms, or a p95 of spoken questions over 1.2 s.
How long an alert takes: `python -m benchmarks.alert_latency`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import numpy as np
import soundfile

from benchmarks.worker_capacity import DATA, cpu_s, percentiles, send_all
from emocx_pbx.analysis.handle import WorkerHandle
from emocx_pbx.analysis.messages import AnnounceTap, Ready, WorkerStats
from emocx_pbx.analysis.windows import CallSegmenter
from emocx_pbx.domain import Span
from emocx_pbx.observe.heap import keep_for_good
from emocx_pbx.observe.logs import configure
from emocx_pbx.observe.metrics import Metrics
from emocx_pbx.observe.tasks import Tasks
from emocx_pbx.service.controller import Service
from emocx_pbx.settings.records import StoreSettings
from emocx_pbx.settings.settings import (
    AgiSettings,
    AnalysisSettings,
    AsteriskSettings,
    LogSettings,
    Settings,
)
from emocx_pbx.store.database import Store

TEXT_GOAL_MS: Final = 30.0
SPOKEN_GOAL_S: Final = 1.2
#: Until taps have begun and the worker's load is known.
SETTLE_S: Final = 8.0
QUERIES: Final = (
    "I have been charged twice and nobody answers, this is a scandal!",
    "What are your opening hours on Monday?",
    "I am sad to say that my parcel still has not come.",
    "Thank you so much, the new phone is wonderful!",
)
FRAME: Final = 160
_GET: Final = re.compile(rb'GET FULL VARIABLE "(.+)"')
_SET: Final = re.compile(rb'EXEC MSet "(.+)"')
_VARIABLE: Final = re.compile(rb"\$\{([^}]+)\}")


#: Told of each call that has its answer.
Answered = Callable[[str], None]


def channel_of(call_id: str) -> str:
    """The caller's channel."""
    return f"PJSIP/customer-{call_id}"


class Dialplan(asyncio.Protocol):
    """Asterisk's side of one request. Streams would take several times the CPU, which the service needs."""

    def __init__(self, opening: bytes, text: bytes) -> None:
        self._opening, self._text = opening, text
        self._received = b""
        self.set: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()
        """The variables that were set."""
        self._found: dict[str, str] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._opening)

    def data_received(self, data: bytes) -> None:
        """Answer whole commands."""
        *lines, self._received = (self._received + data).split(b"\n")
        self._transport.write(b"".join(map(self._reply, lines)))

    def _reply(self, line: bytes) -> bytes:
        if got := _GET.fullmatch(line):
            return b"200 result=1 (%b)\n" % _VARIABLE.sub(self._value, got[1])
        if put := _SET.fullmatch(line):
            self._found |= dict(pair.split("=", 1) for pair in put[1].decode().split(","))
            return b"200 result=0\n"
        return b"510 Invalid or unknown command\n"

    def _value(self, name: re.Match[bytes]) -> bytes:
        return self._text if name[1] == b"EMOCX_QUERY" else b""

    def connection_lost(self, exc: Exception | None) -> None:
        """It was the last variable, or a refusal."""
        if not self.set.done():
            self.set.set_result(self._found)


async def ask(port: int, path: str, call_id: str, text: str = "", argument: str = "") -> dict[str, str]:
    """One request of the dialplan's; the variables that were set."""
    opening = (
        f"agi_network: yes\nagi_network_script: {path}\nagi_request: agi://127.0.0.1/{path}\n"
        f"agi_channel: {channel_of(call_id)}\nagi_uniqueid: {call_id}\nagi_callerid: 493012345\n"
        f"agi_arg_1: {argument}\n\n"
    )
    loop = asyncio.get_running_loop()
    _, asking = await loop.create_connection(
        lambda: Dialplan(opening.encode(), text.encode()), "127.0.0.1", port
    )
    return await asking.set


async def texts(answered: Answered, port: int, rate: float, seconds: float) -> list[tuple[float, str]]:
    """Ask at an even pace; seconds and EMOCX_STATUS of each."""

    async def one(number: int) -> tuple[float, str]:
        began, call_id = time.perf_counter(), f"{time.time():.0f}.{number}"
        try:
            found = await ask(port, "route", call_id, QUERIES[number % len(QUERIES)])
        except ConnectionError:  # too many at once: the dialplan goes on by its defaults
            return float("inf"), "refused"
        took_s = time.perf_counter() - began
        answered(call_id)
        return took_s, found.get("EMOCX_STATUS", "none")

    began, asked = time.perf_counter(), []
    for number in range(round(rate * seconds)):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        asked.append(asyncio.create_task(one(number)))
    return await asyncio.gather(*asked)


async def spoken(answered: Answered, port: int, callers: int, rounds: int) -> list[tuple[float, str]]:
    """Callers who all speak at once; seconds from the last word to the queue, and EMOCX_STATUS."""
    said = sentence()
    found: list[tuple[float, str]] = []
    for turn in range(rounds):
        ids = [f"9{turn}.{n}" for n in range(callers)]
        found += await asyncio.gather(*(_speaks(port, call_id, said, n) for n, call_id in enumerate(ids)))
        for call_id in ids:
            answered(call_id)
    return found


async def _speaks(port: int, call_id: str, said: Sequence[bytes], number: int) -> tuple[float, str]:
    uuid = str(uuid4())
    place = (await ask(port, "listen", call_id, argument=uuid)).get("EMOCX_AUDIO", "")
    if not place:
        return float("inf"), "nobody listens"
    reader, writer = await asyncio.open_connection(*place.split(":"))
    writer.write(b"\x01\x00\x10" + UUID(uuid).bytes)
    closed = asyncio.ensure_future(until_hung_up(reader))
    begun = time.perf_counter() + 0.002 * number
    last_word = begun + 0.02 * len(said)
    sent = 0
    while not closed.done():
        await asyncio.sleep(max(0.0, begun + 0.02 * sent - time.perf_counter()))
        writer.write(b"\x10\x01\x40" + (said[sent] if sent < len(said) else bytes(2 * FRAME)))
        sent += 1
    writer.close()
    closed.result()
    found = await ask(port, "heard", call_id, argument=uuid)
    return time.perf_counter() - last_word, found.get("EMOCX_STATUS", "none")


async def until_hung_up(reader: asyncio.StreamReader) -> None:
    """Until the worker has heard enough: the message 0x00, or the end."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while (head := await reader.readexactly(3))[0]:
            await reader.readexactly(int.from_bytes(head[1:], "big"))


def sentence() -> list[bytes]:
    """The first longer utterance of the recorded customer, cut where it ends, in frames of 20 ms."""
    side = soundfile.read(DATA / "call_customer.flac", dtype="int16")[0]
    segmenter = CallSegmenter(AnalysisSettings())
    found = [*segmenter.feed(side, np.zeros_like(side)), *segmenter.finish()]
    span = next(item for item in found if isinstance(item, Span) and item.t1 - item.t0 > 1.5)
    begin, end = int(8000 * max(0.0, span.t0 - 0.3)), int(8000 * span.t1)
    return [side[at : at + FRAME].astype("<i2").tobytes() for at in range(begin, end - FRAME, FRAME)]


def beside(pipe: Any, what: str, *values: Any) -> None:
    """In a process of its own."""
    work = {"texts": texts, "spoken": spoken}[what]
    pipe.send(asyncio.run(work(pipe.send, *values)))


def joins_and_leaves(service: Service, call_id: str) -> None:
    """What Asterisk would say of a caller who has the answer: they join the queue, and give up at once.

    Without it every one of them would wait for ever, and from the 2,000th on nobody be asked about.
    """
    caller = {"Channel": channel_of(call_id), "Uniqueid": call_id, "Linkedid": call_id}
    joined = {"Event": "QueueCallerJoin", "Queue": "care", "Position": "1", "CallerIDNum": "493012345"}
    for event in (joined, {"Event": "QueueCallerLeave", "Queue": "care"}, {"Event": "Hangup", "Cause": "16"}):
        service.pbxes.by_name[""].recovery.on_ami(event | caller)


async def elsewhere(service: Service, what: str, *values: Any) -> list[tuple[float, str]]:
    """Asked from a process of its own."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=beside, args=(there, what, *values))
    process.start()
    while True:
        if await asyncio.to_thread(here.poll, 0.5):
            found: str | list[tuple[float, str]] = here.recv()
            if isinstance(found, list):
                process.join()
                return found
            joins_and_leaves(service, found)
        elif not process.is_alive():
            raise SystemExit(f"{what}: the clients ended without an answer")


class Listening(Metrics):
    """Keeps what the worker says of itself."""

    def __init__(self, said: list[WorkerStats]) -> None:
        super().__init__()
        self._said = said

    def worker(self, stats: Any) -> None:
        """Take it."""
        self._said.append(stats)
        super().worker(stats)


class Load:
    """Taps that run until the end."""

    def __init__(self, service: Service, worker: WorkerHandle, taps: int, seconds: float) -> None:
        self._uuids = [uuid4() for _ in range(taps)]
        for number, uuid in enumerate(self._uuids):
            call = {
                "Channel": f"PJSIP/trunk-{worker.index}{number:07x}",
                "Uniqueid": f"7{worker.index}.{number}",
            }
            joined = {"Queue": "care", "Position": "1", "CallerIDNum": f"49301{number:07d}"}
            service.pbxes.by_name[""].recovery.on_ami({"Event": "QueueCallerJoin", **call, **joined})
            worker.send(AnnounceTap(str(uuid), call["Uniqueid"], "stereo", ttl_s=60.0))
        context = multiprocessing.get_context("spawn")
        self._late_s = context.Value("d", 0.0)  # it must be there until the process has begun
        self._process = context.Process(
            target=send_all,
            args=(worker.port, [uuid.bytes for uuid in self._uuids], seconds, -1, self._late_s),
        )
        self._process.start()

    def end(self) -> None:
        """Hang up."""
        self._process.terminate()
        self._process.join()


def observed(found: list[tuple[float, str]], unit: float = 1.0) -> dict[str, Any]:
    """Times, and what came of the questions."""
    statuses = [status for _, status in found]
    times = percentiles([unit * seconds for seconds, _ in found if seconds < 1e6])
    return {
        "asked": len(found),
        "times": times,
        "status": {status: statuses.count(status) for status in sorted(set(statuses))},
    }


async def asked(service: Service, options: argparse.Namespace, beside_taps: bool) -> dict[str, Any]:
    """Both kinds of questions."""
    port = service.agi.port
    pids = [worker.pid for worker in service.pool.workers if worker.pid is not None]
    used, own, began = sum(map(cpu_s, pids)), time.process_time(), time.perf_counter()
    text = await elsewhere(service, "texts", port, options.rate, options.seconds)
    wall = time.perf_counter() - began
    worker_s, controller_s = sum(map(cpu_s, pids)) - used, time.process_time() - own
    load = {"worker_cores": round(worker_s / wall, 2), "controller_cores": round(controller_s / wall, 2)}
    if not beside_taps:  # nothing else was done meanwhile
        load["cpu_ms_per_text"] = round(1e3 * (worker_s + controller_s) / len(text), 2)
    words = await elsewhere(service, "spoken", port, options.callers, options.rounds)
    return {"beside": load, "texts_ms": observed(text, 1e3), "spoken_s": observed(words)}


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Without taps, then with them."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            asterisk=AsteriskSettings(port=1),
            agi=AgiSettings(port=0),
            analysis=AnalysisSettings(
                base_port=0,
                speech_model=options.model,
                transcriber=options.transcriber,
                spare_worker=False,
                workers=options.workers,
            ),
            store=StoreSettings(path=str(Path(folder) / "emocx.db")),
            log=LogSettings(level="error"),
        )
        configure(settings.log)
        store = await Store.open(settings.store_path())
        stats: list[WorkerStats] = []
        try:
            async with Tasks(lambda *name: None) as tasks:
                metrics = Listening(stats)
                service = Service(settings, store, tasks, metrics)
                await service.agi.start()
                ledger = tasks.create_task(service.ledger.run(), name="ledger")
                if not await service.pool.start(90.0):
                    raise SystemExit("the worker did not start")
                await asyncio.sleep(options.warm)
                keep_for_good()  # as the service does once it has started
                if len(service.pool.workers) < options.workers:
                    raise SystemExit("not all workers are ready: wait longer, --warm")
                ready = service.pool.pick_own().ready
                result = {"models": models_of(ready), "alone": await asked(service, options, False)}
                wall_s = options.seconds + 8.0 * options.rounds + 60.0
                loads = [
                    Load(service, worker, options.taps // options.workers, SETTLE_S + wall_s)
                    for worker in service.pool.workers
                ]
                await asyncio.sleep(SETTLE_S)
                result["loaded"] = {"taps": options.taps, **await asked(service, options, True)}
                result["worker_said"] = {
                    "load": stats[-1].load, "accurate_share": stats[-1].accurate_share,
                    "voice_only": stats[-1].voice_only,
                }  # fmt: skip
                for load in loads:
                    load.end()
                await service.agi.stop()
                await service.pool.stop()
                ledger.cancel()
        finally:
            await store.close()
    return result


def models_of(ready: Ready | None) -> dict[str, str | None]:
    """What answers."""
    assert ready is not None
    return {"speech": ready.speech_model, "text": ready.text_model, "transcriber": ready.transcriber}


def main() -> int:
    """Parse, measure, print; 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--taps", type=int, default=60, help="of all workers")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=50.0, help="texts a second")
    parser.add_argument("--callers", type=int, default=10, help="who speak at once")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--model", default="auto", help="speech model")
    parser.add_argument("--transcriber", default="auto")
    parser.add_argument("--warm", type=float, default=10.0, help="seconds for speech-to-text to load")
    options = parser.parse_args()
    conditions = {"cpus": os.cpu_count(), "load": round(os.getloadavg()[0], 2)}
    result = conditions | asyncio.run(measure(options))
    json.dump(result, sys.stdout, indent=1)
    print()
    runs = (result["alone"], result["loaded"])
    kept = all(
        run["texts_ms"]["times"]["p99"] <= TEXT_GOAL_MS and run["spoken_s"]["times"]["p95"] <= SPOKEN_GOAL_S
        for run in runs
    )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
