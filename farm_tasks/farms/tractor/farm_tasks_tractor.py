"""A Tractor task that publishes what render tasks made to Kitsu. Copy it to your submitters.

import tractor.api.author as author
from farm_tasks_tractor import publish_task

job = author.Job(title="SH010 comp", service="PixarRender")
renders = [author.Task(title="frame %d" % f, argv=["prman", ...]) for f in range(1001, 1101)]
job.addChild(publish_task(
    author, renders, "demo/SQ01/SH010/compositing", "--frames=/projects/demo/beauty.####.exr",
    "--range=1001-1100", "--fps=24", "--status=wfa", command="/opt/farm-tasks/bin/farm-tasks",
))
"""


def publish_task(author, renders, task, *arguments, **options):
    """A task that runs when ``renders`` are done. It is an ordinary command, and no ``-cleanup``:

    that one runs when a job fails, too, and its exit code is nobody's.

    Args:
        author: The module tractor.api.author.
        renders: The tasks whose output is published. They become the children of the new one.
        task: ``demo/SQ01/SH010/compositing``, or the task's id.
        *arguments: Files, and options of ``farm-tasks publish`` such as ``--status=wfa``.
        **options: command: the path of ``farm-tasks`` on the blades. service: as Tractor has it.
    """
    argv = [options.get("command", "farm-tasks"), "publish", "--task=" + task]
    # Tractor puts the job's id in place of %j.
    argv += ["--key=tractor:%j:{content}", "--farm-job=tractor %j", "--progress=alf"]
    publish = author.Task(
        title=options.get("title", "publish to Kitsu"),
        argv=argv + list(arguments),
        service=options.get("service", "PixarRender"),
    )
    for one in renders:
        publish.addChild(one)
    return publish
