"""gazu's documented ways of using a progress callback, with our function in gazu's place.

The page is "Progress Callbacks" in gazu's documentation. Each way runs in a process of its own,
logged in as the page does it: through gazu's default client, without any setting of ours.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from farm_tasks.sandbox import SandboxInfo
from tests.support.media import digest, movie, noise
from tests.support.worker import KITSU_VARIABLES

LOG_IN = """
import json, os, sys
import gazu
from farm_tasks.kitsu import operations

studio = json.loads(sys.argv[1])
gazu.set_host(studio["kitsu_host"])
gazu.log_in(studio["login"], studio["password"])
os.chdir(studio["folder"])
calls = []

def on_progress(bytes_read, total):
    calls.append((bytes_read, total))
    if total > 0:
        print(f"\\r{bytes_read / total * 100:.1f}% ({bytes_read}/{total} bytes)", end="")
    else:
        print(f"\\r{bytes_read} bytes transferred", end="")

def working_file(name):
    return gazu.files.new_working_file(
        studio["task_id"], name=name, software=studio["software_id"]
    )
"""


def run_program(sandbox: SandboxInfo, folder: Path, program: str) -> dict[str, Any]:
    """Run the program as a person would, and return the JSON of its last line."""
    studio = {
        "kitsu_host": sandbox.kitsu_host,
        "login": sandbox.login,
        "password": sandbox.password,
        "task_id": sandbox.task_id,
        "software_id": sandbox.software_id,
        "project_name": sandbox.project_name,
        "wip": sandbox.task_status_ids["wip"],
        "folder": str(folder),
    }
    done = subprocess.run(
        [sys.executable, "-c", LOG_IN + program, json.dumps(studio)],
        env={k: v for k, v in os.environ.items() if not k.startswith(KITSU_VARIABLES)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**result, "printed": done.stdout, "errors": done.stderr}


def test_a_printed_percentage_follows_an_upload_and_a_download(
    sandbox: SandboxInfo, projects: Path
) -> None:
    sent = noise(projects / "scene.blend", 5_000_000)
    got = run_program(
        sandbox,
        projects,
        """
made = working_file("printed")
operations.upload_working_file(made, "scene.blend", progress_callback=on_progress)
up = list(calls); calls.clear()
operations.download_working_file(made, "./back.blend", progress_callback=on_progress)
print()
print(json.dumps({"up": up, "down": calls}))
""",
    )
    for direction in ("up", "down"):
        values = [bytes_read for bytes_read, _ in got[direction]]
        assert len(values) > 3
        assert values == sorted(values)
        assert got[direction][-1] == [5_000_000, 5_000_000]
        assert {total for _, total in got[direction]} == {5_000_000}
    assert "100.0% (5000000/5000000 bytes)" in got["printed"]
    assert digest(projects / "back.blend") == digest(sent)


def test_a_preview_is_uploaded_to_a_comment_as_the_page_has_it(
    sandbox: SandboxInfo, projects: Path
) -> None:
    movie(sandbox, projects / "render.mp4")
    got = run_program(
        sandbox,
        projects,
        """
comment = operations.add_comment(studio["task_id"], studio["wip"], "New render")
preview = operations.upload_preview_file(
    comment, "./render.mp4", progress_callback=on_progress
)
print()
print(json.dumps({"preview": preview["type"], "last": calls[-1]}))
""",
    )
    size = (projects / "render.mp4").stat().st_size
    assert got["preview"] == "PreviewFile"
    assert got["last"] == [size, size]


def test_the_total_of_several_attachments_is_their_combined_size(
    sandbox: SandboxInfo, projects: Path
) -> None:
    sizes = [700_000, 300_000, 1]
    for n, size in enumerate(sizes):
        noise(projects / f"{n}.zip", size)
    got = run_program(
        sandbox,
        projects,
        """
operations.add_comment(
    studio["task_id"], studio["wip"], "Files",
    attachments=["0.zip", "1.zip", "2.zip"], progress_callback=on_progress,
)
print()
print(json.dumps({"calls": calls}))
""",
    )
    assert {total for _, total in got["calls"]} == {sum(sizes)}
    assert got["calls"][-1] == [sum(sizes), sum(sizes)]


@pytest.mark.parametrize("function", ["upload_working_file", "download_working_file"])
def test_a_tqdm_bar_ends_full(function: str, sandbox: SandboxInfo, projects: Path) -> None:
    noise(projects / "scene.blend", 2_000_000)
    got = run_program(
        sandbox,
        projects,
        f"""
from tqdm import tqdm

bar = None

def tqdm_callback(bytes_read, total):
    global bar
    if bar is None:
        bar = tqdm(total=total, unit="B", unit_scale=True)
    bar.update(bytes_read - bar.n)

made = working_file("tqdm {function}")
operations.upload_working_file(made, "scene.blend")
operations.{function}(made, "scene.blend", progress_callback=tqdm_callback)
bar.close()
print(json.dumps({{"n": bar.n, "total": bar.total}}))
""",
    )
    assert (got["n"], got["total"]) == (2_000_000, 2_000_000)
    assert "100%" in got["errors"]


def test_a_loop_downloads_every_preview_of_a_project(sandbox: SandboxInfo, projects: Path) -> None:
    noise(projects / "one.zip", 100_000)
    got = run_program(
        sandbox,
        projects,
        """
comment = gazu.task.add_comment(studio["task_id"], studio["wip"], "Loop")
operations.upload_preview_file(comment, "one.zip")

project = gazu.project.get_project_by_name(studio["project_name"])
previews = []
for task in gazu.task.all_tasks_for_project(project):
    for comment in gazu.task.all_comments_for_task(task):
        previews += comment.get("previews", [])
ready = []
for i, preview in enumerate(previews, 1):
    model = gazu.files.get_preview_file(preview["id"])
    if not model["original_name"] or model["status"] != "ready":
        continue
    print(f"[{i}/{len(previews)}] {preview['id']}")
    path = f"./downloads/{preview['id']}"
    operations.download_preview_file(preview, path, progress_callback=on_progress)
    ready.append(path)
    print()
print(json.dumps({"ready": ready}))
""",
    )
    assert got["ready"]
    assert all((projects / path).stat().st_size for path in got["ready"])


def test_the_total_is_zero_where_the_server_does_not_say(
    sandbox: SandboxInfo, projects: Path
) -> None:
    """zou always says; so this one server does not."""
    got = run_program(
        sandbox,
        projects,
        """
import http.server, threading

class Chunked(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in (b"x" * 1000, b"y" * 500):
            self.wfile.write(b"%x\\r\\n%s\\r\\n" % (len(piece), piece))
        self.wfile.write(b"0\\r\\n\\r\\n")
    def log_message(self, *arguments):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Chunked)
threading.Thread(target=server.serve_forever, daemon=True).start()
gazu.set_host(f"http://127.0.0.1:{server.server_port}")
got = operations.download_working_file(
    studio["task_id"], "./chunked", progress_callback=on_progress
)
print()
print(json.dumps({"calls": calls, "size": got["size"]}))
""",
    )
    assert {total for _, total in got["calls"]} == {0}
    assert got["calls"][-1] == [1500, 0]
    assert got["size"] == 1500
    assert "1500 bytes transferred" in got["printed"]
