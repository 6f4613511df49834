"""An Afanasy block that publishes what render blocks made to Kitsu. Copy it to your submitters.

import af
from farm_tasks_afanasy import publish_block

job = af.Job("SH010 comp")
job.blocks.append(render)  # an af.Block named "render"
job.blocks.append(publish_block(
    af, ["render"], "demo/SQ01/SH010/compositing", "--frames=/projects/demo/beauty.####.exr",
    "--range=1001-1100", "--fps=24", "--status=wfa", command="/opt/farm-tasks/bin/farm-tasks",
))
"""

import re

try:
    from shlex import quote
except ImportError:  # Python 2.7
    from pipes import quote


def publish_block(af, renders, task, *arguments, **options):
    """A block that starts when the blocks ``renders`` are done.

    It is a block of its own, and no ``setCmdPost``: that one runs when the job is deleted.

    Args:
        af: CGRU's module af.
        renders: The names of the blocks whose output is published.
        task: ``demo/SQ01/SH010/compositing``, or the task's id.
        *arguments: Files, and options of ``farm-tasks publish`` such as ``--status=wfa``.
        **options: command: the path of ``farm-tasks`` on the render hosts (Linux or macOS). name:
            of the block.
    """
    argv = [options.get("command", "farm-tasks"), "publish", "--task=" + task]
    argv.append("--progress=afanasy")
    argv += arguments
    # Afanasy's render sets AF_JOB_ID for the process, which a shell starts.
    identity = ' --key="afanasy:$AF_JOB_ID:{content}" --farm-job="afanasy $AF_JOB_ID"'
    name = options.get("name", "publish to Kitsu")
    block = af.Block(name, "generic")
    block.setDependMask("^(%s)$" % "|".join(re.escape(one) for one in renders))
    one = af.Task(name)
    # Afanasy's path map would take the task's name for a path.
    one.setCommand(" ".join(map(quote, argv)) + identity, TransferToServer=False)
    block.tasks.append(one)
    return block
