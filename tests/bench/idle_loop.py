"""The peer of the loops' lag: an event loop that has nothing to do, on the same machine."""

import asyncio

asyncio.run(asyncio.sleep(600))
