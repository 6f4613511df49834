"""Deadline post-job script: publishes its job to Kitsu, where no event plugin does.

Set as PostJobScript of a job, it needs no FarmTasksPublish=1. It stays in the folder of the event
plugin, and takes its settings from there.
"""

import sys

from Deadline.Scripting import RepositoryUtils


def __main__(*args):
    plugin = args[0]
    try:
        folder = RepositoryUtils.GetEventPluginDirectory("FarmTasks")
        if folder not in sys.path:
            sys.path.append(folder)
        import farm_tasks_deadline

        config = RepositoryUtils.GetEventPluginConfig("FarmTasks")
        farm_tasks_deadline.publish(
            plugin.GetJob(),
            config.GetConfigEntryWithDefault,
            plugin,
            RepositoryUtils.CheckPathMapping,
            asked=True,
        )
    except Exception as error:
        plugin.LogWarning("farm_tasks: this job was not published: %r" % error)
