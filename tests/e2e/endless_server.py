"""A web server in a process of its own that misbehaves: /hang, /garbage, /gigabyte."""

from __future__ import annotations

import socket
import socketserver
import sys
import threading

GIGABYTE = 1_000_000_000
CHUNK = b"x" * 1_000_000


class Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        path = self.rfile.readline().split()[1]
        while self.rfile.readline().strip():
            pass
        try:
            {b"/hang": self.hang, b"/garbage": self.garbage, b"/gigabyte": self.gigabyte}[path]()
        except ConnectionError:
            return  # whoever asked had enough

    def hang(self) -> None:
        self.connection.recv(1)  # until it is closed from there

    def garbage(self) -> None:
        self.wfile.write(b"\x00\xff\x1b[2J\x1b]0;owned\x07 \r\n\r\n")

    def gigabyte(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % GIGABYTE)
        for _ in range(GIGABYTE // len(CHUNK)):
            self.wfile.write(CHUNK)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    address_family = socket.AF_INET


if __name__ == "__main__":
    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        sys.stdin.read()  # until the test lets go
