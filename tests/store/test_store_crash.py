"""kill -9 at any moment: what a method returned from is on disk, and nothing is half there."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.store.database import Store

CRM = WebhookSettings(name="crm", url="http://127.0.0.1:1/", secret="whsec_" + "A" * 32)

WRITER = """
import asyncio, sys
from emocx_pbx.domain import Grade
from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.store.database import Store
from emocx_pbx.events.event import NewEvent

async def main():
    crm = WebhookSettings(name="crm", url="http://127.0.0.1:1/", secret="whsec_" + "A" * 32)
    store = await Store.open(sys.argv[1], [crm])
    for n in range(100_000):
        call_id = f"c{n}"
        await store.calls.start(call_id, float(n), None, None, None, None)
        await store.grades.save(call_id, 0, Grade(50.0, "C", 40.0, 60.0, 9.0),
                               [NewEvent("call.graded", call_id, {}, float(n), "0")])
        print(n, flush=True)

asyncio.run(main())
"""


async def test_no_finished_grade_is_lost_and_none_is_without_its_webhook(tmp_path: Path) -> None:
    path = tmp_path / "emocx.db"
    observed = -1
    for _ in range(3):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(path), stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(30):
            while observed < 10:
                assert process.stdout is not None
                observed = max(observed, int(await process.stdout.readline()))
        process.kill()
        rest, _ = await process.communicate()
        observed = max([observed, *(int(line) for line in rest.split())])

        store = await Store.open(path, [CRM])
        graded = {row.row.call_id for row in await store.grades.between()} | {
            g.call_id for n in range(observed + 2) for g in await store.grades.of_call(f"c{n}")
        }
        sent = {row.call_id for row in await store.outbox.deliveries(limit=100_000)}
        assert graded >= {f"c{n}" for n in range(observed + 1)}
        assert graded == sent
        assert {c.call.call_id for c in await store.calls.open()} >= graded
        await store.close()
        observed = -1
