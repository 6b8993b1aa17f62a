"""Draws for a page in a browser: Textual's own web driver, which never outlives its page."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import BinaryIO, Literal, TextIO

from textual import events, messages
from textual.drivers.web_driver import WebDriver
from textual.message import Message

END_S = 3.0
"""So long after its page has gone, in seconds, the process is gone too, whatever it does."""


class PageDriver(WebDriver):
    """Reads packets from standard input and writes them to standard output.

    The input's end means that the page, or what serves it, is gone, even by SIGKILL. The page's
    size comes in a packet; the terminal's own report of it (mode 2048) could name any.
    """

    def run_input_thread(self) -> None:
        super().run_input_thread()
        self._app.post_message(messages.ExitApp())
        threading.main_thread().join(END_S)
        if threading.main_thread().is_alive():
            # its loop stands in a write that nobody takes, or waits for a source
            os._exit(1)

    def process_message(self, message: Message) -> None:
        if not isinstance(message, events.Resize):
            super().process_message(message)

    def open_url(self, url: str, new_tab: bool = True) -> None:
        """Nothing is opened in somebody's browser by what is on screen."""

    def deliver_binary(
        self,
        binary: BinaryIO | TextIO,
        *,
        delivery_key: str,
        save_path: Path,
        open_method: Literal["browser", "download"] = "download",
        encoding: str | None = None,
        mime_type: str | None = None,
        name: str | None = None,
    ) -> None:
        """No file leaves this machine through a page."""
        binary.close()
