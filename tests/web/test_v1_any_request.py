"""Any request that schemathesis thinks of, against a running service: no 5xx, no undocumented answer.

A longer run against a service of your own (leave out the feed, which has no end):

    schemathesis run http://127.0.0.1:8085/api/v1/openapi.json -H "Authorization: Bearer $TOKEN" \\
        --exclude-path /api/v1/live/events --max-examples 1000
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import checks
from schemathesis.core.transport import Response
from web.v1_calls import tell

from emocx_pbx.lab.asterisk import free_port
from emocx_pbx.store.database import Store
from emocx_pbx.web.v1.openapi import document
from emocx_pbx.web.v1.routes import ENDPOINTS

TOKEN = "a-token-for-schemathesis"


def service_settings(directory: Path, http_port: int) -> Path:
    """Of a service without an Asterisk: what needs one answers 503."""
    config = directory / "emocx.toml"
    config.write_text(
        f"""
        [asterisk]
        port = {free_port()}
        [agi]
        port = {free_port()}
        [analysis]
        base_port = 0
        speech_model = "off"
        transcriber = "off"
        [http]
        port = {http_port}
        api_token = "{TOKEN}"
        api_requests_per_minute = 0
        [[webhooks]]
        name = "crm"
        url = "http://127.0.0.1:{free_port()}/"
        secret = "whsec_{"A" * 32}"
        """
    )
    return config


async def some_calls(path: Path) -> None:
    store = await Store.open(path)
    for number in range(60):
        await tell(store, number, agents=("bob", "eve")[: number % 3])
    await store.close()


def until_it_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait for the service and its text model."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/readyz", timeout=2)
        except urllib.error.HTTPError as answer:
            with answer:
                if json.load(answer)["components"]["analysis"]["up"]:
                    return
        except OSError:
            pass
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
    raise AssertionError("the service does not answer")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("service")
    asyncio.run(some_calls(directory / "emocx.db"))
    port = free_port()
    words = [sys.executable, "-m", "emocx_pbx.cli", "serve"]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [*words, "--config", str(service_settings(directory, port))], stdout=log, stderr=log
        )
        try:
            until_it_answers(f"http://127.0.0.1:{port}", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)
    assert "request failed" not in (directory / "log").read_text()


schema = schemathesis.openapi.from_dict(document(ENDPOINTS)).exclude(path="/api/v1/live/events")


def no_failure_of_ours(ctx: Any, response: Response, case: Any) -> None:
    """503 says that something is not there now, where that is documented (see status_code_conformance)."""
    assert response.status_code < 500 or response.status_code == 503, response.text


@schema.parametrize()
@settings(
    max_examples=10, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
def test_any_request(case: Any, service: str) -> None:
    if "call_id" in (case.path_parameters or {}) and len(case.path_parameters["call_id"]) % 2:
        case.path_parameters["call_id"] = "1789990000.7"
    case.call_and_validate(
        base_url=service,
        headers={"Authorization": f"Bearer {TOKEN}"},
        checks=[
            no_failure_of_ours,
            checks.status_code_conformance,
            checks.content_type_conformance,
            checks.response_headers_conformance,
            checks.response_schema_conformance,
            checks.negative_data_rejection,
        ],
    )
