"""A layer for OpenCue's pyoutline that publishes what a render layer made to Kitsu.

Copy this file to where your submitters import from. Nothing of it is needed on the render hosts:
the layer is pyoutline's own ShellCommand, and runs the command ``farm-tasks publish``.

    import outline
    from farm_tasks_layer import publish_layer

    ol = outline.Outline("comp", frame_range="1001-1100", show="demo", shot="SH010", current=True)
    render = Render("beauty", ...)
    publish_layer(
        render, "demo/SQ01/SH010/compositing", "--frames=/projects/demo/beauty.####.exr",
        "--range=1001-1100", "--fps=24", "--status=wfa", command="/opt/farm-tasks/bin/farm-tasks",
    )
"""

from outline.constants import LayerType
from outline.modules.shell import ShellCommand

# rqd sets CUE_JOB_ID when the frame runs. A frame that is retried publishes the same once.
_SCRIPT = 'exec "$@" --key="opencue:$CUE_JOB_ID:{content}"'


def publish_layer(render, task, *arguments, **options):
    """Add the layer to the current outline, and return it.

    Args:
        render: The layer whose output is published, or a list of them. All frames are waited for.
        task: ``demo/SQ01/SH010/compositing``, or the task's id.
        *arguments: Files, and options of ``farm-tasks publish`` such as ``--status=wfa``.
        **options: command: the path of ``farm-tasks`` on the hosts, where PATH is rqd's own. name:
            of the layer. wait: False to end when the work is handed over. All others are
            pyoutline's, such as env, tags, service, timeout.
    """
    command = options.pop("command", "/usr/local/bin/farm-tasks")
    name = options.pop("name", "publish_to_kitsu")
    how = "--progress=alf" if options.pop("wait", True) else "--no-wait"
    publish = [command, "publish", "--task=" + task, how, *arguments]
    layer = ShellCommand(
        name, command=["/bin/sh", "-c", _SCRIPT, "sh", *publish], type=LayerType.UTIL, **options
    )
    for one in render if isinstance(render, (list, tuple)) else [render]:
        layer.depend_all(one)
    return layer
