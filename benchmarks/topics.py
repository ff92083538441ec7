"""How well topics are distinguished: CLINC150's ten domains from twenty examples each.

    python benchmarks/topics.py --data DIR [--split test] [--words] [--spread] [--seeds 10] [--json]

A query of the split counts as right only if its domain is named ("none" is wrong); out-of-scope
recall is the share of out-of-scope queries answered "none". Examples are drawn at random per
seed; with --spread in turn from each of a domain's 15 intents, as an administrator would choose them.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

from emocx_pbx.routing import sentences
from emocx_pbx.routing.topics import TopicClassifier


def measure(
    data: Path, split: str, seed: int, *, by_meaning: bool, spread: bool, examples: int = 20
) -> dict[str, float]:
    rows: dict[str, list[list[str]]] = json.loads((data / "data_full.json").read_text(encoding="utf-8"))
    domains: dict[str, list[str]] = json.loads((data / "domains.json").read_text(encoding="utf-8"))
    domain_of = {intent: domain for domain, intents in domains.items() for intent in intents}
    rng = random.Random(seed)
    shuffled = rng.sample(rows["train"], len(rows["train"]))
    if spread:
        # The first query of every intent, then the second of every intent, and so on.
        met: Counter[str] = Counter()
        turns = []
        for text, intent in shuffled:
            turns.append((met[intent], text, intent))
            met[intent] += 1
        shuffled = [[text, intent] for _, text, intent in sorted(turns, key=lambda turn: turn[0])]
    pool: dict[str, list[str]] = {domain: [] for domain in domains}
    for text, intent in shuffled:
        pool[domain_of[intent]].append(text)
    classifier = TopicClassifier.fit(
        {domain: texts[:examples] for domain, texts in pool.items()}, by_meaning=by_meaning
    )
    started = time.perf_counter()
    answers = [(classifier.classify(text)[0], domain_of[intent]) for text, intent in rows[split]]
    spent = time.perf_counter() - started
    strange = [classifier.classify(text)[0] for text, _ in rows[f"oos_{split}"]]
    named = [(said, true) for said, true in answers if said is not None]
    return {
        "accuracy": sum(said == true for said, true in answers) / len(answers),
        "accuracy_when_named": sum(said == true for said, true in named) / max(1, len(named)),
        "oos_recall": sum(said is None for said in strange) / len(strange),
        "ms_per_query": 1000 * spent / len(answers),
    }


def remember_vectors() -> None:
    """Work out each sentence's vector once: the queries are the same in every draw."""
    kept: dict[str, Any] = {}
    plain = sentences.SentenceEncoder._one

    def remembered(encoder: sentences.SentenceEncoder, sentence: str) -> Any:
        if sentence not in kept:
            kept[sentence] = plain(encoder, sentence)
        return kept[sentence]

    sentences.SentenceEncoder._one = remembered  # type: ignore[assignment,method-assign]


def main() -> None:
    parser = argparse.ArgumentParser(description="Topics on CLINC150's ten domains.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--split", choices=["val", "test"], default="test")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--words", action="store_true", help="by words, as without the MiniLM weights")
    parser.add_argument("--spread", action="store_true", help="examples from each intent in turn")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    folder = args.data / "text" / "clinc150"
    remember_vectors()
    runs = [
        measure(folder, args.split, s, by_meaning=not args.words, spread=args.spread)
        for s in range(args.seeds)
    ]
    mean = {name: round(sum(run[name] for run in runs) / len(runs), 4) for name in runs[0]}
    # Later draws find the vectors of the same queries worked out.
    mean["ms_per_query"] = round(runs[0]["ms_per_query"], 4)
    result: dict[str, Any] = {"split": args.split, "by": "words" if args.words else "meaning", **mean}
    result["runs"] = [{name: round(value, 4) for name, value in run.items()} for run in runs]
    if args.json:
        print(json.dumps(result))
    else:
        for name, value in mean.items():
            print(f"{name:>20}  {value:.3f}")


if __name__ == "__main__":
    main()
