"""Telephones of a network of their own: an agent's that answers, and a customer's that calls once.

python telephones.py SIP_PORT AGENT_PORT EXTENSION SECONDS
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from emocx_pbx.lab import recordings
from emocx_pbx.lab.sip import CallPlan, SippAgents, SippCustomers


async def main(sip_port: int, agent_port: int, extension: str, hold_s: float) -> None:
    """Returns when the call is over."""
    call = recordings.load()
    with tempfile.TemporaryDirectory() as folder:
        customer = recordings.write_mulaw(Path(folder) / "customer.ul", call.customer)
        agent = recordings.write_mulaw(Path(folder) / "agent.ul", call.agent)
        plan = CallPlan(extension, "", customer="c-1", number="+491177")
        async with (
            SippAgents(agent_port, agent, answer_s=0.1),
            SippCustomers(sip_port, customer, [plan], hold_s=hold_s) as customers,
        ):
            await customers.wait(hold_s + 60)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], float(sys.argv[4])))
