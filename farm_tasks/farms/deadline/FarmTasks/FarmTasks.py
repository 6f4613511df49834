"""Deadline event plugin: publishes a finished job to Kitsu, if the job asks for it.

It hands the work to farm_tasks and returns: Deadline runs it on the last Worker or in the Monitor,
which must not wait for an upload. What a job can ask for is listed in farm_tasks_deadline.py.
"""

import sys

from Deadline.Events import DeadlineEventListener
from Deadline.Scripting import RepositoryUtils


def GetDeadlineEventListener():
    return FarmTasksListener()


def CleanupDeadlineEventListener(listener):
    listener.Cleanup()


class FarmTasksListener(DeadlineEventListener):
    def __init__(self):
        if sys.version_info[0] >= 3:
            super().__init__()
        self.OnJobFinishedCallback += self.OnJobFinished

    def Cleanup(self):
        del self.OnJobFinishedCallback

    def OnJobFinished(self, job):
        try:
            folder = RepositoryUtils.GetEventPluginDirectory("FarmTasks")
            if folder not in sys.path:
                sys.path.append(folder)
            import farm_tasks_deadline

            farm_tasks_deadline.publish(
                job, self.GetConfigEntryWithDefault, self, RepositoryUtils.CheckPathMapping
            )
        except Exception as error:
            self.LogWarning("farm_tasks: this job was not published: %r" % error)
