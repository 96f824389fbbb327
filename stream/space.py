"""Free space of the state folder: what is left, and whether that is enough."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import structlog

from stream.errors import SpaceError
from stream.settings import Settings

log = structlog.get_logger()

LOOK_SECONDS = 1.0


class FreeSpace:
    """The free space of a folder's file system, and the least of it that is wanted."""

    def __init__(self, settings: Settings) -> None:
        self._folder = Path(settings.state_folder)
        self._minimum = settings.state_free_bytes_minimum

    def free_bytes(self) -> int:
        """What is free now; of the nearest folder above if this one is not there yet."""
        folder = self._folder
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        return shutil.disk_usage(folder).free

    def look(self) -> tuple[str, int]:
        """Words on what is missing, empty when there is enough, and the bytes that are free."""
        try:
            free = self.free_bytes()
        except OSError as error:
            return f"the disk of state_folder {self._folder} can not be looked at: {error}", 0
        if free >= self._minimum:
            return "", free
        words = (
            f"the disk of state_folder {self._folder} is full or nearly so: {free} bytes are free, wanted at least "
            f"{self._minimum} (state_free_bytes_minimum)"
        )
        return words, free

    def shortage(self) -> str:
        """Words on what is missing; empty when there is enough."""
        return self.look()[0]

    def check(self) -> None:
        """Raise SpaceError if there is too little to start with."""
        if words := self.shortage():
            raise SpaceError(f"{words[0].upper()}{words[1:]}. Make room, or name another state_folder.")


async def watch_space(space: FreeSpace, tell: Callable[[str, int], None]) -> None:
    """Look every second, for ever: a shortage is logged once, as is its end. `tell` hears its words and the bytes."""
    short = False
    while True:
        words, free = space.look()
        tell(words, free)
        if words and not short:
            log.warning("free space is short", problem=words)
        elif short and not words:
            log.info("free space suffices again", free_bytes=free)
        short = bool(words)
        await asyncio.sleep(LOOK_SECONDS)
