"""Running several works at once, as long as all of them go on."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any


async def until_first(works: Sequence[Coroutine[Any, Any, object]]) -> None:
    """Run all until one ends, then end the others; raises what that one raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
