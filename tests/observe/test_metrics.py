"""Counters are bounded, independent, and documented."""

from __future__ import annotations

import re
from pathlib import Path

from emocx_pbx.analysis.messages import WorkerStats
from emocx_pbx.observe.metrics import COUNTERS, MAX_LABEL_VALUES, MAX_UNLISTED, Metrics, of_pbx

PACKAGE = Path(__file__).parents[2] / "emocx_pbx"


def lines(metrics: Metrics) -> list[str]:
    body, content_type = metrics.render()
    assert content_type.startswith("text/plain")
    return body.decode().splitlines()


def test_counting() -> None:
    metrics = Metrics()
    metrics.count("taps_failed")
    metrics.count("grades", "A")
    metrics.count("grades", "A")
    metrics.count("grades")
    assert "emocx_taps_failed_total 1.0" in lines(metrics)
    assert 'emocx_grades_total{letter="A"} 2.0' in lines(metrics)
    assert metrics.value("grades", "none") == 1
    assert metrics.value("queries") == 0


def test_two_controllers_share_nothing() -> None:
    one, two = Metrics(), Metrics()
    one.count("queries")
    assert two.value("queries") == 0


def test_labels_are_bounded() -> None:
    metrics = Metrics()
    for i in range(1000):
        metrics.count("grades", f"letter {i}")
    assert sum(line.startswith("emocx_grades_total{") for line in lines(metrics)) == MAX_LABEL_VALUES + 1
    assert metrics.value("grades", "other") == 1000 - MAX_LABEL_VALUES


def test_names_are_bounded() -> None:
    metrics = Metrics()
    for i in range(1000):
        metrics.count(f"odd_{i}")
    assert sum(line.startswith("emocx_odd_") and "_total" in line for line in lines(metrics)) == MAX_UNLISTED


def test_workers_totals_survive_a_restart_of_the_worker() -> None:
    metrics = Metrics()
    for total in (5.0, 8.0, 2.0):
        metrics.worker(WorkerStats(open_taps=3, counters={"audio_malformed": total}))
    metrics.worker(WorkerStats(open_taps=1, counters={"audio_malformed": 7.0}, worker=1))
    assert metrics.value("worker_audio_malformed") == 8 + 2 + 7
    assert 'emocx_open_taps{worker="0"} 3.0' in lines(metrics)
    assert 'emocx_open_taps{worker="1"} 1.0' in lines(metrics)


def test_every_counter_says_what_it_counts() -> None:
    used = {
        name
        for path in PACKAGE.rglob("*.py")
        for name in re.findall(r'\bcount\(\s*"([a-z_]+)"', path.read_text().replace("_count(", "count("))
    }
    assert {name for name in used if name not in COUNTERS and f"worker_{name}" not in COUNTERS} == set()


def test_what_is_of_a_pbx_carries_its_name_where_pbxes_have_names() -> None:
    metrics = Metrics(["berlin", "munich"])
    metrics.count("taps_failed", pbx="munich")
    metrics.count("grades", "A", pbx="berlin")
    metrics.count("http_errors", pbx="berlin")
    metrics.count("taps_failed", pbx="a name that there is not")
    metrics.set("calls", 3, "talking", pbx="munich")
    assert {
        'emocx_taps_failed_total{pbx="berlin"} 0.0',
        'emocx_taps_failed_total{pbx="munich"} 1.0',
        'emocx_taps_failed_total{pbx="other"} 1.0',
        'emocx_grades_total{letter="A",pbx="berlin"} 1.0',
        "emocx_http_errors_total 1.0",
        'emocx_calls{pbx="munich",state="talking"} 3.0',
    } <= set(lines(metrics))
    assert metrics.value("taps_failed", pbx="munich") == 1


def test_one_pbx_without_a_name_needs_no_label() -> None:
    metrics = Metrics()
    assert of_pbx("") == {}
    metrics.count("taps_failed")
    assert "emocx_taps_failed_total 1.0" in lines(metrics)


def test_a_worker_of_the_cluster_is_found_by_its_name_and_site() -> None:
    metrics = Metrics()
    metrics.of_node("north", "berlin", "1.2")
    for index in range(64, 64 + 40):  # as many as ten thousand calls need
        metrics.worker(WorkerStats(1, {}, index, 0.5, name=f"east-{index}", site="vienna"))
    metrics.worker(WorkerStats(1, {}, 0))
    found = lines(metrics)
    assert 'emocx_node_info{node="north",site="berlin",version="1.2"} 1.0' in found
    assert 'emocx_worker_info{name="east-103",site="vienna",worker="103"} 1.0' in found
    assert 'emocx_worker_load{worker="103"} 0.5' in found
    assert not [line for line in found if 'worker="other"' in line or 'emocx_worker_info{name=""' in line]
