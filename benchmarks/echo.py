"""How much of what is read as the customer is the agent's voice coming back, or a tone; and what it costs.

    python -m benchmarks.echo [--data ../shared/data] [--split test] [--sounds /usr/share/asterisk] [--json]

Each call (benchmarks/echo_calls.py) is cut into windows twice in one run: `before` with voice activity
and its level gate alone, `after` with tones and echoes left out. A window is a reading when
`speechlike` passes it; it is the agent's when less than half of it lies in the customer's clips. Own
speech lost is what the call without any echo, and with a silent agent, shows and this one does not.
Cost is the processor's time for cutting, in messages of 20 ms as live, without any model.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import soundfile

from benchmarks.echo_calls import EchoCall, echo_calls
from benchmarks.line_sounds import line_sounds
from emocx_pbx.analysis.windows import CallSegmenter, Item, Window
from emocx_pbx.audio.pcm import SAMPLE_RATE, Int16Array, from_float, mulaw_roundtrip
from emocx_pbx.audio.vad import FRAME, FRAME_S
from emocx_pbx.domain import Side, Span
from emocx_pbx.emotion.speechlike import speechlike
from emocx_pbx.errors import EmocxError
from emocx_pbx.settings.settings import AnalysisSettings
from emocx_pbx.training.speech.augment import noise
from emocx_pbx.training.speech.data import FloatArray, on_line, read_clips

Mask = npt.NDArray[np.bool_]

GOALS: Final = {"readings_of_the_agent": 0.01, "own_speech_lost": 0.03}
#: Noise of the line under tones, dB.
SNRS_DB: Final = (None, 25.0, 15.0)
WAYS: Final = {"before": False, "after": True}
#: Frames around a clip that still count as it: reverberation of the clip, padding of the utterance.
AROUND: Final = 10


@dataclass(slots=True)
class Heard:
    """What one pass over a call gave."""

    windows: list[Window]
    speech: dict[Side, Mask]
    """Frames of each side in utterances."""
    cpu_s: float

    def readings(self) -> list[npt.NDArray[np.intp]]:
        """Frames of each window that sounds like speech."""
        observed = np.flatnonzero(self.speech["customer"])
        frames = []
        for window in self.windows:
            if speechlike(window.samples):
                upto = observed[observed < round(window.t1 / FRAME_S)]
                frames.append(upto[-round(window.samples.size / FRAME) :])
        return frames


@dataclass(slots=True)
class Count:
    """Sums over calls."""

    readings: int = 0
    agents: int = 0
    own: int = 0
    lost: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0

    def figures(self) -> dict[str, Any]:
        """Shares, and cost per second of call."""
        return {
            "readings": self.readings,
            "readings_of_the_agent": round(self.agents / max(1, self.readings), 4),
            "own_speech_lost": round(self.lost / max(1, self.own), 4),
            "cpu_ms_per_s": round(1e3 * self.cpu_s / max(1e-9, self.seconds), 2),
        }


@dataclass(slots=True)
class Row:
    """One kind of call, both ways."""

    calls: int = 0
    ways: dict[str, Count] = field(default_factory=lambda: {way: Count() for way in WAYS})


def hear(customer: Int16Array, agent: Int16Array, own_voice_only: bool) -> Heard:
    """Cut one call."""
    segmenter = CallSegmenter(AnalysisSettings(), own_voice_only=own_voice_only)
    items: list[Item] = []
    start = time.process_time()
    for at in range(0, len(customer), FRAME):
        items += segmenter.feed(customer[at : at + FRAME], agent[at : at + FRAME])
    items += segmenter.finish()
    cpu_s = time.process_time() - start
    speech: dict[Side, Mask] = {
        side: np.zeros(len(customer) // FRAME + 1, bool) for side in ("customer", "agent")
    }
    for item in items:
        if isinstance(item, Span):
            speech[item.side][round(item.t0 / FRAME_S) : round(item.t1 / FRAME_S)] = True
    return Heard([item for item in items if isinstance(item, Window)], speech, cpu_s)


def of_calls(calls: Iterable[EchoCall]) -> dict[str, Row]:
    """All calls, and by loss, delay, path and double talk."""
    rows: dict[str, Row] = {}
    for call in calls:
        said = np.zeros(len(call.customer) // FRAME + 1, bool)
        for t0, t1 in call.said:
            said[int(t0 / FRAME_S) : int(t1 / FRAME_S) + 1] = True
        alone = hear(call.own, np.zeros_like(call.agent), own_voice_only=False).speech["customer"]
        near = np.convolve(said | alone, np.ones(2 * AROUND + 1), "same") > 0
        keys = ["no echo"] if call.loss_db is None else ["echo", f"{call.loss_db:.0f} dB", call.path]
        if call.loss_db is not None:
            keys += [f"{1000 * call.delay_s:.0f} ms", "double talk" if call.double_talk else "in turns"]
        for key in keys:
            rows.setdefault(key, Row()).calls += 1
        for way, own_voice_only in WAYS.items():
            heard = hear(call.customer, call.agent, own_voice_only)
            readings = heard.readings()
            speech = heard.speech["customer"]
            for key in keys:
                count = rows[key].ways[way]
                count.readings += len(readings)
                count.agents += sum(near[frames].mean() < 0.5 for frames in readings)
                count.own += int((alone & said).sum())
                count.lost += int((alone & said & ~speech).sum())
                count.seconds += len(call.customer) / SAMPLE_RATE
                count.cpu_s += heard.cpu_s
    return rows


def of_sound(name: str, samples: FloatArray, snr_db: float | None) -> dict[str, Any]:
    """Seconds taken for speech and readings of a sound that is all the customer's side carries."""
    rng = np.random.default_rng(1)
    line = from_float(on_line(samples if snr_db is None else noise(samples, snr_db, rng)))
    row: dict[str, Any] = {"sound": name, "snr_db": snr_db, "seconds": round(len(line) / SAMPLE_RATE, 1)}
    for way, own_voice_only in WAYS.items():
        heard = hear(line, np.zeros_like(line), own_voice_only)
        row[way] = {
            "speech_s": round(float(heard.speech["customer"].sum()) * FRAME_S, 1),
            "readings": len(heard.readings()),
        }
    return row


def recorded_sounds(root: Path) -> list[tuple[str, FloatArray]]:
    """Music (moh/*.wav, a minute each) and prompts (sounds/*/), once and again, laid out as Asterisk's."""
    found = []
    for path in sorted((root / "moh").glob("*.wav")):
        samples, rate = soundfile.read(path, dtype="float32", frames=60 * SAMPLE_RATE)
        if rate == SAMPLE_RATE:
            found.append((f"music: {path.stem}", samples))
    pause = np.zeros(3 * SAMPLE_RATE, np.float32)
    for folder in sorted((root / "sounds").glob("*")):
        prompts = [p for p in sorted(folder.rglob("*.wav")) if p.stat().st_size > 40_000][:20]
        heard = [soundfile.read(p, dtype="float32") for p in prompts]
        spoken = [samples for samples, rate in heard if rate == SAMPLE_RATE]
        if spoken:
            once = np.concatenate([x for s in spoken for x in (s, pause)])
            found.append((f"prompts: {folder.name}, each once", once))
            again = [np.tile(np.concatenate([s, pause]), 4) for s in spoken]
            found.append((f"prompts: {folder.name}, each four times", np.concatenate(again)))
    return found


def of_human_call(data: Path) -> dict[str, Any]:
    """What the recorded call of two people shows of the customer, both ways."""
    sides = [
        mulaw_roundtrip(soundfile.read(data / "calls" / f"auto_repairs_40_{side}.flac", dtype="int16")[0])
        for side in ("caller", "agent")
    ]
    size = min(map(len, sides))
    heard = {way: hear(sides[0][:size], sides[1][:size], own) for way, own in WAYS.items()}
    speech = {way: one.speech["customer"] for way, one in heard.items()}
    return {
        "customer_speech_s": {way: round(float(mask.sum()) * FRAME_S, 2) for way, mask in speech.items()},
        "lost_s": round(float((speech["before"] & ~speech["after"]).sum()) * FRAME_S, 2),
        "readings": {way: len(one.readings()) for way, one in heard.items()},
        "cpu_ms_per_s": {way: round(1e3 * one.cpu_s * SAMPLE_RATE / size, 2) for way, one in heard.items()},
    }


def table(rows: dict[str, Row]) -> str:
    """Rows for people, in Markdown."""
    lines = [
        "| calls | | readings | the agent's | own speech lost | ms/s |",
        "|---|---|---|---|---|---|",
    ]
    for key, row in rows.items():
        cells: list[str] = []
        for one in zip(*(row.ways[way].figures().values() for way in WAYS), strict=True):
            percent = all(isinstance(value, float) and value <= 1 for value in one) and len(cells) in (1, 2)
            cells.append(" -> ".join(f"{100 * v:.1f} %" if percent else f"{v}" for v in one))
        lines.append(f"| {key} | {row.calls} | {' | '.join(cells)} |")
    return "\n".join(lines)


def sound_table(rows: Sequence[dict[str, Any]]) -> str:
    """The same for sounds."""
    lines = ["| sound | noise | s | taken for speech, s | readings |", "|---|---|---|---|---|"]
    for row in rows:
        snr = "none" if row["snr_db"] is None else f"{row['snr_db']:.0f} dB under"
        before, after = row["before"], row["after"]
        lines.append(
            f"| {row['sound']} | {snr} | {row['seconds']} | {before['speech_s']} -> {after['speech_s']} "
            f"| {before['readings']} -> {after['readings']} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--split", default="test", choices=("train", "dev", "test"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=1, help="calls of each kind")
    parser.add_argument("--sounds", type=Path, default=Path("/usr/share/asterisk"))
    parser.add_argument("--only", choices=("calls", "sounds"), help="one part of it")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        clips = read_clips(args.data / "speech" / "clips.csv", split=args.split).clips
    except EmocxError as e:
        print(e, file=sys.stderr)
        return 2
    rows = of_calls(echo_calls(clips, args.seed, args.repeats)) if args.only != "sounds" else {}
    if args.only == "calls":
        print(table(rows))
        return 0
    sounds = [of_sound(name, s, snr_db) for name, s in line_sounds() for snr_db in SNRS_DB]
    sounds += [of_sound(name, samples, None) for name, samples in recorded_sounds(args.sounds)]
    human = of_human_call(args.data) if (args.data / "calls").is_dir() else None
    if args.json:
        echo = {
            key: {"calls": row.calls} | {way: count.figures() for way, count in row.ways.items()}
            for key, row in rows.items()
        }
        json.dump({"goals": GOALS, "echo": echo, "sounds": sounds, "human_call": human}, sys.stdout, indent=1)
        print()
    else:
        print(table(rows), sound_table(sounds), f"Call of two people: {json.dumps(human)}", sep="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
