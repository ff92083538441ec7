"""How many live taps one analysis worker carries, and what each costs, beside an earlier commit.

    python -m benchmarks.worker_capacity --taps 50 100 200 --seconds 20 [--model cnn] [--against COMMIT]
                                         [--core 0] [--original] [--plot FILE.svg]

Stereo taps of a recorded call, each from another place in it and at its own phase, 50 messages a second by
absolute deadlines, over real sockets from a process of its own. For each number of taps and each tree a
fresh worker. With --core the worker is kept to that core, and the sender to the others.
--original adds what the student project's own way (three librosa calls and a Keras prediction a window)
costs a window here, and what a window costs here: the reading alone, and with all that hearing a call costs.
Prints one JSON object. CPU and ratios are worth comparing; delays only on a machine that nobody else uses:
`load` is the machine's load average before each run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import numpy as np
import soundfile

from emocx_pbx.analysis.config import WorkerConfig
from emocx_pbx.analysis.messages import (
    AnnounceTap,
    ReadingMade,
    TapEnded,
    TapStarted,
    UtteranceEnded,
    WorkerStats,
)
from emocx_pbx.analysis.pool import ToService, WorkerLost, WorkerPool
from emocx_pbx.observe.logs import configure
from emocx_pbx.settings.settings import AnalysisSettings, LogSettings

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "tests" / "data" / "audio"
TICKS = os.sysconf("SC_CLK_TCK")
FRAME_S = 0.02
#: Taps are spread over so many moments of those 20 ms.
PHASES = 20
#: Each tap sends two messages at once from so many taps on, three from twice as many.
MANY: Final = 700
#: Before delays are counted (s): taps begin one after another, one each millisecond.
SETTLE_S = 5.0
#: For a sender and a worker that the machine has little time for (s).
PATIENCE_S = 180.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--taps", type=int, nargs="+", default=[50, 100, 200])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--model", default="cnn", help="speech model; voice: the accurate one")
    parser.add_argument("--against", default="", metavar="COMMIT", help="measure this commit as well")
    parser.add_argument("--core", type=int, default=-1, help="keep the worker to this core")
    parser.add_argument("--original", action="store_true", help="measure the student project's way as well")
    parser.add_argument("--plot", type=Path, help="draw CPU and delay over the number of taps")
    parser.add_argument("--window", default="", help=argparse.SUPPRESS)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.window:
        print(window_ms(options.window))
        return
    if options.alone:
        json.dump(asyncio.run(measure(options, options.taps[0])), sys.stdout)
        return
    result: dict[str, Any] = {"cpus": os.cpu_count(), "model": options.model}
    with tempfile.TemporaryDirectory() as folder:
        trees = {"here": ROOT}
        if options.against:
            trees[options.against] = checked_out(options.against, Path(folder))
        # By turns, so that what else the machine does meets both trees.
        runs = [
            (taps, name, in_tree(tree, options, taps))
            for taps in options.taps
            for name, tree in trees.items()
        ]
    result |= {name: [run for _, other, run in runs if other == name] for name in trees}
    if options.against:
        pairs = zip(result[options.against], result["here"], strict=True)
        key = "cpu_ms_per_tap_second"
        result["cpu_ratio"] = {str(a["taps"]): round(a[key] / b[key], 2) for a, b in pairs}
    if options.original:
        result["original"] = original(result["here"][-1])
    json.dump(result, sys.stdout, indent=1)
    print()
    if options.plot:
        plot(result, [n for n in trees], options.plot)


def checked_out(commit: str, folder: Path) -> Path:
    """The package and models of a commit; weights that git does not keep are this tree's."""
    packed = subprocess.run(
        ["git", "archive", commit, "emocx_pbx", "models"], cwd=ROOT, check=True, capture_output=True
    )
    subprocess.run(["tar", "-x", "-C", folder], input=packed.stdout, check=True)
    return folder


def in_tree(tree: Path, options: argparse.Namespace, taps: int) -> dict[str, Any]:
    """A measurement in a process whose package is that of the tree."""
    command = [sys.executable, __file__, "--alone", "--taps", str(taps), "--seconds", str(options.seconds)]
    command += ["--model", options.model, "--core", str(options.core)]
    environment = os.environ | {"PYTHONPATH": str(tree)}
    # The worker is a module that is run, so it comes from the folder that it is run in.
    done = subprocess.run(command, env=environment, cwd=tree, check=True, stdout=subprocess.PIPE)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


async def measure(options: argparse.Namespace, taps: int) -> dict[str, Any]:
    """Figures of one worker under `taps` taps."""
    got: list[tuple[float, ToService]] = []
    began: set[str] = set()
    ended: set[str] = set()
    all_began, all_ended = asyncio.Event(), asyncio.Event()

    def take(message: ToService) -> None:
        got.append((time.time(), message))
        if isinstance(message, WorkerLost) and message.uuids:
            # Its taps will never end: the figures would be of nothing.
            print("the worker died under its load, or was taken for dead", file=sys.stderr)
            os._exit(1)
        for kind, seen, all_seen in ((TapStarted, began, all_began), (TapEnded, ended, all_ended)):
            if isinstance(message, kind):
                seen.add(message.uuid)
                if len(seen) == taps:
                    all_seen.set()

    configure(LogSettings(level="error"))  # to stderr: why a worker was ended
    settings = AnalysisSettings(base_port=0, speech_model=options.model, text_model="off", transcriber="off")
    pool = WorkerPool(WorkerConfig(settings=settings, log=LogSettings(level="error")), take)
    load, begun = os.getloadavg()[0], time.monotonic()
    if not await pool.start(90.0):
        raise SystemExit("the worker did not start")
    start_s = time.monotonic() - begun
    worker = pool.pick_own()
    assert worker.pid is not None
    if options.core >= 0:
        keep_to(options.core, worker.pid)
    uuids = [uuid4() for _ in range(taps)]
    for uuid in uuids:
        worker.send(AnnounceTap(str(uuid), str(uuid), "stereo", ttl_s=60.0))
    whole_s = SETTLE_S + options.seconds
    spawn = multiprocessing.get_context("spawn")
    sender_late_s = spawn.Value("d", 0.0)
    sender = spawn.Process(
        target=send_all,
        args=(worker.port, [uuid.bytes for uuid in uuids], whole_s, options.core, sender_late_s),
    )
    sender.start()
    begun, cpu_before = time.monotonic(), cpu_s(worker.pid)
    async with asyncio.timeout(PATIENCE_S):
        await all_began.wait()
    await asyncio.sleep(SETTLE_S / 2)
    first, memory_mb = len(got), rss_mb(worker.pid)
    async with asyncio.timeout(whole_s + PATIENCE_S):
        await all_ended.wait()
    cpu, wall = cpu_s(worker.pid) - cpu_before, time.monotonic() - begun
    memory_mb = max(memory_mb, rss_mb(worker.pid))
    await pool.stop()
    sender.join(10)
    found = heard(got, first)
    return {
        "taps": taps,
        "load": round(load, 1),
        # By the audio that came: a busy machine's sender does not keep its pace.
        "cpu_ms_per_tap_second": round(1000 * cpu / found["came_s"], 3),
        "cores_needed": round(taps * cpu / found["came_s"], 3),
        "cores_got": round(cpu / wall, 3),
        "worker_mb": round(memory_mb),
        "start_s": round(start_s, 2),
        # If this is much, the figures are of the sender.
        "sender_late_s": round(sender_late_s.value, 3),
        **found,
    }


def heard(got: list[tuple[float, ToService]], first: int) -> dict[str, Any]:
    """What the messages say; delays only of those from `first` on.

    A reading's delay counts from the end of its last speech; one at an utterance's end can't come before
    the 0.4 s of silence that end it (0.1 s of them belong to it).
    """
    began = {m.uuid: m.at for _, m in got if isinstance(m, TapStarted)}
    ends = [m for _, m in got if isinstance(m, TapEnded)]
    late = [(at, m) for at, m in got[first:] if isinstance(m, ReadingMade)]
    stats = [m.counters for _, m in got if isinstance(m, WorkerStats)]
    return {
        "readings": len(late),
        "all_readings": sum(isinstance(m, ReadingMade) for _, m in got),
        "models": dict(Counter(m.model for _, m in late)),
        # What that costs in grades: python -m benchmarks.cascade --share.
        "accurate_share": accurate_share([m.model for _, m in late]),
        "spans": sum(isinstance(m, UtteranceEnded) for _, m in got[first:]),
        "taps_without_voice_activity": len(began)
        - len({m.uuid for _, m in got if isinstance(m, UtteranceEnded)}),
        # Earlier commits read all.
        "taps_not_read": sum(not getattr(m, "read", True) for _, m in got if isinstance(m, TapStarted)),
        "reading_delay_s": percentiles([at - began[m.uuid] - m.t1 for at, m in late]),
        "max_gap_s": percentiles([m.max_gap_s for m in ends]),
        "missing_s": round(sum(m.missing_s for m in ends), 3),
        "came_s": round(sum(m.audio_s - m.missing_s for m in ends), 1),
        "counters": stats[-1] if stats else {},
    }


def accurate_share(models: Sequence[str]) -> float | None:
    """Share of readings that the accurate model made; None without any reading."""
    made = [model.partition("/")[0] == "voice" for model in models]
    return round(sum(made) / len(made), 3) if made else None


def percentiles(values: list[float]) -> dict[str, float] | None:
    if not values:
        return None
    marks = {"p50": 50, "p95": 95, "p99": 99, "max": 100}
    return {name: round(float(np.percentile(values, mark)), 3) for name, mark in marks.items()}


def keep_to(core: int, pid: int) -> None:
    """Let all threads of a process run on one core alone."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def cpu_s(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def send_all(port: int, uuids: list[bytes], seconds: float, core: int, late_s: Any) -> None:
    """Play all taps, on another core; plain sends need a tenth of what an event loop would.

    How late it was at the most goes to the value of `late_s`. Of many taps each sends several messages at
    once, or one core would not suffice for sending.
    """
    if core >= 0 and (others := os.sched_getaffinity(0) - {core}):
        os.sched_setaffinity(0, others)
    parts = [soundfile.read(DATA / f"call_{side}.flac", dtype="int16")[0] for side in ("customer", "agent")]
    length = min(map(len, parts)) // 160 * 160
    stereo = np.stack([part[:length] for part in parts], axis=1).astype("<i2")
    frames = [b"\x10\x02\x80" + stereo[at : at + 160].tobytes() for at in range(0, length, 160)]
    taps: list[socket.socket] = []
    reader = selectors.DefaultSelector()
    together = 1 + len(uuids) // MANY
    begun = time.monotonic() + 0.1
    for step in range(round(seconds / FRAME_S) * PHASES):
        turn, phase = divmod(step, PHASES)
        early = begun + step * FRAME_S / PHASES - time.monotonic()
        time.sleep(max(0.0, early))
        late_s.value = max(late_s.value, -early)
        if len(taps) < len(uuids):
            taps.append(socket.create_connection(("127.0.0.1", port)))
            taps[-1].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            taps[-1].sendall(b"\x01\x00\x10" + UUID(bytes=uuids[len(taps) - 1]).bytes)
            reader.register(taps[-1], selectors.EVENT_READ)
        for number in range(phase, len(taps), PHASES):
            if (number // PHASES + turn) % together == 0:
                at = number * 7919 + turn
                said = [frames[n % len(frames)] for n in range(at, at + together)]
                taps[number].sendall(b"".join(said) if together > 1 else said[0])
        if not phase and not turn % 50:
            for key, _ in reader.select(0):
                key.fileobj.recv(65536)  # type: ignore[union-attr]
    for tap in taps:
        tap.shutdown(socket.SHUT_WR)
    time.sleep(2.0)


def original(run: dict[str, Any]) -> dict[str, float]:
    """The student project's way with a window of 4 s: features by librosa, a dense network by Keras."""
    import librosa
    import tensorflow as tf

    from emocx_pbx.analysis.worker.process import ONE_THREAD

    samples = soundfile.read(DATA / "call_customer.flac", dtype="float32")[0][96_000:128_000]
    network = tf.keras.Sequential(
        [
            tf.keras.layers.Input((180,)),
            tf.keras.layers.Dense(300, activation="relu"),
            tf.keras.layers.Dense(8),
        ]
    )

    def window() -> None:
        measured = (
            librosa.feature.mfcc(y=samples, sr=8000, n_mfcc=40),
            librosa.feature.chroma_stft(y=samples, sr=8000),
            librosa.feature.melspectrogram(y=samples, sr=8000),
        )
        network.predict(np.concatenate([part.mean(axis=1) for part in measured])[None], verbose=0)

    cpu_ms = cpu_of(window, 20)
    command = [sys.executable, __file__, "--window", next(iter(run["models"]))]
    one_thread = os.environ | dict.fromkeys(ONE_THREAD, "1")
    window_ms = float(subprocess.run(command, env=one_thread, check=True, capture_output=True).stdout)
    # All that a tap costs here, hearing included, for each reading.
    whole_ms = run["cpu_ms_per_tap_second"] * run["came_s"] / max(1, run["all_readings"])
    return {
        "cpu_ms_per_window": round(cpu_ms, 1),
        "ours_ms_per_window": round(window_ms, 2),
        "ratio": round(cpu_ms / window_ms, 1),
        "ours_ms_per_reading_with_all_else": round(whole_ms, 2),
        "ratio_with_all_else": round(cpu_ms / whole_ms, 1),
    }


def window_ms(model: str) -> float:
    """CPU of a window of 4 s read by a speech model as a worker does it, on one thread (ms)."""
    from emocx_pbx.analysis.worker.memory import keep_freed
    from emocx_pbx.emotion.registry import Registry
    from emocx_pbx.emotion.speech import load_speech

    keep_freed()
    samples = soundfile.read(DATA / "call_customer.flac", dtype="float32")[0][96_000:128_000]
    session = load_speech(Registry(None), model).session()
    return cpu_of(lambda: session.read(samples), 100)


def cpu_of(work: Callable[[], object], times: int) -> float:
    """CPU of one piece of work (ms), all threads; the first one is not counted."""
    work()
    began = time.process_time()
    for _ in range(times):
        work()
    return 1000 * (time.process_time() - began) / times


def plot(result: dict[str, Any], trees: list[str], path: Path) -> None:
    """CPU in cores, and delay of readings, over the number of taps."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, (cpu, delay) = pyplot.subplots(1, 2, figsize=(8, 3))
    for tree in trees:
        taps = [run["taps"] for run in result[tree]]
        cpu.plot(taps, [run["cores_needed"] for run in result[tree]], "o-", label=tree)
        late = [run["reading_delay_s"]["p99"] if run["reading_delay_s"] else None for run in result[tree]]
        delay.plot(taps, late, "o-", label=tree)
    cpu.set(xlabel="taps", ylabel="cores", title=f"CPU that it needs, {result['model']}")
    delay.set(xlabel="taps", ylabel="s", title="delay of readings, p99", yscale="log")
    for axes in (cpu, delay):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.tight_layout()
    figure.savefig(path)


if __name__ == "__main__":
    main()
