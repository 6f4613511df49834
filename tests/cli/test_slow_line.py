from __future__ import annotations

import socket
import threading
import time

from farm_tasks.cli.slow_line import SlowLine


def test_it_slows_what_is_sent_and_passes_everything_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        answered = b"answer" * 50_000

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                received = b""
                while piece := connection.recv(65536):
                    received += piece
                connection.sendall(len(received).to_bytes(8) + answered)

        thread = threading.Thread(target=serve)
        thread.start()
        target = f"http://127.0.0.1:{server.getsockname()[1]}"
        with SlowLine(target, rate=2e6) as line:
            host, _, port = line.address.removeprefix("http://").partition(":")
            began = time.monotonic()
            with socket.create_connection((host, int(port))) as client:
                client.sendall(b"x" * 1_000_000)
                client.shutdown(socket.SHUT_WR)
                got = b""
                while piece := client.recv(65536):
                    got += piece
            elapsed = time.monotonic() - began
        thread.join(10)
    assert int.from_bytes(got[:8]) == 1_000_000
    assert got[8:] == answered
    assert 0.4 < elapsed < 3


def test_it_ends_with_connections_open_and_a_target_that_is_away() -> None:
    with SlowLine("http://127.0.0.1:1", rate=1e6) as line:
        port = int(line.address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            assert client.recv(1) == b""
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
