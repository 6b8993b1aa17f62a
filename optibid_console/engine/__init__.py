"""The one asyncio shell that acts: it decides by `permit`, records, and then acts."""
