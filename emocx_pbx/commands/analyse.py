"""`emocx-pbx analyse CUSTOMER.wav [AGENT.wav]`: recorded calls through the pipeline of live calls."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from emocx_pbx.commands.shared import Progress, add_common, mm_ss, read_settings, show, without_chatter
from emocx_pbx.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emocx_pbx.alerts.rules import AlertRule
    from emocx_pbx.alerts.watch import AlertChange
    from emocx_pbx.analysis.recorded import RecordedAnalysis
    from emocx_pbx.analysis.windows import Phrase
    from emocx_pbx.domain import Grade, Scores
    from emocx_pbx.settings.settings import Settings


#: Shown beside a reading that does not rest on the voice alone.
_BY_WORDS: Final = {"both": "  (voice and words)", "words": "  (words)"}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("analyse", help="read a recorded call's signals and grade it")
    parser.add_argument("customer", type=Path, help="recording of the customer's side")
    parser.add_argument("agent", type=Path, nargs="?", help="recording of the agent's side")
    parser.add_argument("--stereo", action="store_true", help="one file: customer left, agent right")
    parser.add_argument("--model", metavar="NAME", help="speech model; default: what the settings say")
    parser.add_argument(
        "--words", choices=("off", "sampled", "all"),
        help="phrases of the customer that are transcribed; default: what the settings say",
    )  # fmt: skip
    add_common(parser, run)


def run(args: argparse.Namespace) -> int:
    """Analyse and print the timeline and the grade."""
    from emocx_pbx.analysis.recorded import analyse_recording
    from emocx_pbx.emotion.registry import Registry
    from emocx_pbx.emotion.speech import load_speech
    from emocx_pbx.grading.rubric import load_rubric
    from emocx_pbx.routing.policy import load_policy

    settings = read_settings(args)
    rules = load_policy(settings.policy_path()).alerts
    rubric = load_rubric(settings.rubric_path())
    model = args.model or settings.analysis.speech_model
    if model == "off":
        raise InputError("analysis.speech_model is off; name a model by --model")
    analysis = settings.analysis
    if args.words is not None:
        import msgspec

        analysis = msgspec.structs.replace(analysis, words=args.words)
    with without_chatter() as stderr:
        classifier = load_speech(Registry(settings.models_path()), model)
        said = None if analysis.words == "off" else what_words_say(settings)
        progress = Progress(f"analysing {args.customer.name}", stderr)
        try:
            call = analyse_recording(
                args.customer, args.agent, stereo=args.stereo, settings=analysis,
                classifier=classifier, rubric=rubric, words=said, alerts=rules,
                progress=lambda done, of: progress(done / of if of else 0.0),
            )  # fmt: skip
        finally:
            progress.close()
    alerts = alerts_of(call, rules)
    show(args, as_json(call, classifier.name, alerts), lambda: words(call, classifier.name, alerts))
    return 0


def what_words_say(settings: Settings) -> Callable[[Phrase], Scores | None]:
    """The emotion in the words of a call's phrases, one after the other; they are not stored.

    Raises InputError where the settings name no text model or no speech-to-text that is here.
    """
    from emocx_pbx.audio.pcm import to_float
    from emocx_pbx.emotion.registry import Registry
    from emocx_pbx.emotion.said import Said, phrase_words
    from emocx_pbx.emotion.text import load_reader
    from emocx_pbx.emotion.transcribe import load_transcriber

    if settings.analysis.text_model == "off":
        raise InputError("words need a text model, and analysis.text_model is off")
    transcriber = load_transcriber(settings.analysis.transcriber)
    if transcriber is None:
        raise InputError("words need speech-to-text: the extra `speech-to-text` and emocx-pbx models fetch")
    texts, said = load_reader(Registry(settings.models_path()), settings.analysis.text_model), Said()
    return lambda phrase: phrase_words(transcriber, texts, said, to_float(phrase.samples))[1]


def alerts_of(call: RecordedAnalysis, rules: Sequence[AlertRule]) -> list[AlertChange]:
    """The alerts that the policy's rules would have raised and cleared on the live call."""
    from emocx_pbx.alerts.watch import CallWatch

    watch = CallWatch(rules)
    changes = [change for reading in call.readings for change in watch.read(reading)]
    return [*changes, *watch.end(call.duration_s)]


def as_json(call: RecordedAnalysis, model: str, alerts: Sequence[AlertChange]) -> dict[str, Any]:
    """The result, with the names of the demo's object and of webhooks."""
    grade = call.grade
    known = grade.low is not None and grade.high is not None
    return {
        "duration_s": round(call.duration_s, 3),
        "model": model,
        "readings": [
            {
                "t0": round(r.t0, 3),
                "t1": round(r.t1, 3),
                "speech_s": round(r.speech_s, 3),
                "emotion": r.scores.emotion,
                "confidence": round(r.scores.confidence, 4),
                "probabilities": r.scores.as_dict(),
                "evidence": r.evidence,
            }
            for r in call.readings
        ],
        "spans": [{"side": s.side, "t0": round(s.t0, 3), "t1": round(s.t1, 3)} for s in call.spans],
        "alerts": [
            {"rule": a.rule, "state": a.state, "t1": round(a.t1, 3), "message": a.message} for a in alerts
        ],
        "grade": {
            "score": grade.score,
            "letter": grade.letter,
            "range": [grade.low, grade.high] if known else None,
            "evidence_s": round(grade.evidence_s, 3),
            "rubric": grade.rubric,
            "contributions": [
                {"name": c.name, "points": c.points, "detail": c.detail} for c in grade.contributions
            ],
            "facts": grade.facts,
        },
        "notes": [w.text for w in call.warnings],
        "warnings": [{"kind": w.kind, "message": w.text} for w in call.warnings],
    }


def words(call: RecordedAnalysis, model: str, alerts: Sequence[AlertChange]) -> str:
    """The result for people: a timeline, alerts, and the grade with its reasons."""
    lines = [f"{mm_ss(call.duration_s)} of audio, model {model}"]
    lines += [f"warning: {warning.text}" for warning in call.warnings]
    lines.append("signals in the customer's speech" if call.readings else "no speech of a customer was heard")
    for reading in call.readings:
        scores = reading.scores
        lines.append(
            f"  {mm_ss(reading.t0):>6}-{mm_ss(reading.t1):<6} {scores.emotion:<13} {scores.confidence:.2f}"
            f"  {'#' * round(10 * scores.confidence)}{_BY_WORDS.get(reading.evidence, '')}"
        )
    lines += [f"alert {a.rule} {a.state} at {mm_ss(a.t1)}: {a.message}" for a in alerts]
    return "\n".join([*lines, *grade_lines(call.grade)])


def grade_lines(grade: Grade) -> list[str]:
    """A grade and its sum."""
    if grade.score is None:
        return [f"grade: insufficient evidence ({grade.evidence_s:.1f} s of customer speech)"]
    extent = f", range {grade.low:.0f} to {grade.high:.0f}" if None not in (grade.low, grade.high) else ""
    head = f"grade: {grade.score:.0f} ({grade.letter}){extent}, {grade.evidence_s:.1f} s of customer speech"
    return [head, *(f"{c.points:+6.1f}  {c.name}: {c.detail}" for c in grade.contributions)]
