"""The files for Tractor, Afanasy and Royal Render, against stand-ins unless said otherwise."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import farm_tasks.farms
from farm_tasks.farms import client
from farm_tasks.farms.dialects import DIALECTS
from tests.farms.publish_command import understood
from tests.farms.pythons import found

FARMS = Path(farm_tasks.farms.__file__).parent
TASK = "demo/SQ01/SH010/compositing"
PYTHONS = found()
CGRU = os.environ.get("CGRU_LOCATION", "")


OF_ANY_PYTHON = ["client.py", *(
    f"deadline/FarmTasks/{name}.py" for name in ("FarmTasks", "farm_tasks_deadline", "post_job")
), "afanasy/farm_tasks_afanasy.py", "tractor/farm_tasks_tractor.py"]  # fmt: skip


@pytest.mark.parametrize("version", PYTHONS)
def test_every_python_of_a_farm_can_read_its_files(version: str) -> None:
    code = "import sys; [compile(open(one).read(), one, 'exec') for one in sys.argv[1:]]"
    files = [str(FARMS / one) for one in OF_ANY_PYTHON]
    subprocess.run([PYTHONS[version], "-W", "error::SyntaxWarning", "-c", code, *files], check=True)


def functions(path: str) -> dict[str, Any]:
    return runpy.run_path(str(FARMS / path))


class TractorTask:
    """A stand-in for tractor.api.author.Task."""

    def __init__(self, title: str, argv: list[str], service: str) -> None:
        self.title, self.argv, self.service = title, argv, service
        self.children: list[TractorTask] = []

    def addChild(self, task: TractorTask) -> None:  # noqa: N802 (Tractor's name)
        self.children.append(task)


def test_tractor_publishes_when_the_renders_are_done() -> None:
    author = SimpleNamespace(Task=TractorTask)
    renders = [TractorTask("frame", ["prman"], "x") for _ in range(2)]
    publish_task = functions("tractor/farm_tasks_tractor.py")["publish_task"]
    publish = publish_task(author, renders, TASK, "/p/a b.mov", "--status=wfa", command="/opt/ft")
    # Tractor runs children before their parent.
    assert publish.children == renders
    assert publish.argv[0] == "/opt/ft"
    read = understood(publish.argv[1:])
    assert (read["task"], read["previews"], read["task_status"]) == (TASK, ("/p/a b.mov",), "wfa")
    assert (read["key"], read["progress"]) == ("tractor:%j:{content}", "alf")


def test_tractors_job_file_and_its_python_have_one_key() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "farms" / "tractor.md").read_text()
    author = SimpleNamespace(Task=TractorTask)
    task = functions("tractor/farm_tasks_tractor.py")["publish_task"](author, [], TASK)
    [key] = [one for one in task.argv if one.startswith("--key=")]
    [job_file] = re.findall(r"```tcl\n(.*?)```", page, re.S)
    assert key in job_file.split()


def in_cgru(code: str) -> Any:
    """What ``code`` prints as JSON, in a Python that has CGRU's own modules."""
    environment = {
        **os.environ,
        "AF_ROOT": f"{CGRU}/afanasy",
        "PYTHONPATH": os.pathsep.join(
            [f"{CGRU}/lib/python", f"{CGRU}/afanasy/python", str(FARMS / "afanasy")]
        ),
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], env=environment, check=True,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return json.loads(done.stdout)


@pytest.mark.skipif(not CGRU, reason="CGRU_LOCATION names no CGRU")
def test_afanasy_publishes_when_its_blocks_are_done() -> None:
    job = in_cgru(
        "import af, json\n"
        "from farm_tasks_afanasy import publish_block\n"
        "job = af.Job('SH010')\n"
        "job.blocks.append(af.Block('render (beauty)', 'generic'))\n"
        f"job.blocks.append(publish_block(af, ['render (beauty)'], {TASK!r}, \"/p/it's.mov\"))\n"
        "job.fillBlocks()\n"
        "print(json.dumps(job.data))"
    )
    block = job["blocks"][1]
    assert block["depend_mask"] == r"^(render\ \(beauty\))$"
    assert (block["service"], block["parser"]) == ("generic", "generic")
    [task] = block["tasks"]
    # As Afanasy's render runs it: by a shell, with the job's id in the environment.
    said = subprocess.run(
        ["/bin/bash", "-c", f"farm-tasks() {{ printf '%s\\0' \"$@\"; }}; {task['command']}"],
        env={"AF_JOB_ID": "7"}, check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    read = understood(said.stdout.split("\0")[:-1])
    assert (read["task"], read["previews"]) == (TASK, ("/p/it's.mov",))
    assert (read["key"], read["farm_job"]) == ("afanasy:7:{content}", "afanasy 7")


@pytest.mark.skipif(not CGRU, reason="CGRU_LOCATION names no CGRU")
def test_afanasys_own_parser_reads_the_progress() -> None:
    afanasy = DIALECTS["afanasy"]
    lines = [*afanasy.lines(42, "a.mov: uploading"),
             *afanasy.lines(None, "PROGRESS: 99% [ PARSER ERROR ]", failed=True)]  # fmt: skip
    answer = in_cgru(
        "import json\n"
        "from parsers import generic\n"
        "parser = generic.generic()\n"
        "parser.processResources = lambda given: None\n"
        f"parser.parse({{'data': {chr(10).join(lines)!r} + chr(10)}})\n"
        "print(json.dumps([parser.percent, parser.activity, parser.error]))"
    )
    assert answer == [42, "a.mov: uploading", False]


def test_royal_render_hands_over_what_the_job_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = tmp_path / "publish.json"
    movie = tmp_path / "comp=1.mov"
    movie.write_bytes(b"1")
    request.write_text(json.dumps({"task": TASK, "previews": str(movie)}))
    (tmp_path / "farm_tasks_client.py").write_text((FARMS / "client.py").read_text())
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("FARM_TASKS_SPOOL", str(tmp_path))
    monkeypatch.delenv("FARM_TASKS_COMMAND", raising=False)
    script = functions("royalrender/farm_tasks_royalrender.py")
    job = SimpleNamespace(customData_Str=lambda name: {
        "rrEnvList": f"A=1~~~FARM_TASKS_REQUEST={request}~~~B="}[name])  # fmt: skip
    path = script["publish"](job, 7)
    written = json.loads(Path(path).read_text())
    assert written["arguments"]["previews"] == str(movie)
    assert written["key"] == f"royalrender:7:{client.content_of([str(movie)])}"
    other = SimpleNamespace(customData_Str=lambda _name: "")
    assert script["publish"](other, 7) is None
    sys.modules.pop("farm_tasks_client")
