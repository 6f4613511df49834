"""Builds an outline with our layer, as a submitter does. Run by a Python that has pyoutline.

``opencue_outline.py FOLDER_OF_THE_LAYER COMMAND FILE``. Prints the job's specification and the path
of its session, as JSON.
"""

import json
import sys

sys.path.insert(0, sys.argv[1])

import outline
from farm_tasks_layer import publish_layer
from outline.cuerun import OutlineLauncher
from outline.modules.shell import Shell

ol = outline.Outline(
    "comp", frame_range="1001-1003", show="demo", shot="SH010", user="td", current=True
)
renders = [Shell(name, command=["render", "%{FRAME}"]) for name in ("beauty", "depth")]
publish_layer(
    renders,
    "demo/SQ01/SH010/compositing",
    sys.argv[3],
    "--status=wfa",
    command=sys.argv[2],
    env={"FARM_TASKS_BROKER_URL_FILE": "/etc/farm-tasks/broker"},
)
launcher = OutlineLauncher(ol, user="td", nomail=True)
print(json.dumps({"spec": launcher.serialize(), "outline": ol.get_path()}))
