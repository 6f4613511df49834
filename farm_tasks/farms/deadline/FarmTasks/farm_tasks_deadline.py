"""What a Deadline job is published as. Used by the event plugin and by the post-job script.

A job says it in its extra info (ExtraInfoKeyValue0=FarmTasksPublish=1, ...):

    FarmTasksPublish    1 to publish when the job finishes; all else is left alone
    FarmTasksTask       demo/SQ01/SH010/compositing, or the task's id
    FarmTasksStatus     short name of the status to set, such as wfa
    FarmTasksComment    text of the comment
    FarmTasksPerson     email or full name of the artist
    FarmTasksFps        24, 24000/1001, ...: where frames are made into a movie
    FarmTasksOutput     which of the job's outputs, from 0; the first by default
    FarmTasksPriority   high, normal or low
    FarmTasksArguments  a JSON object with more arguments of farm_tasks.submit.publish; it wins
"""

from __future__ import print_function, unicode_literals

import json
import os
import re
import threading

import farm_tasks_client

SECONDS_FOR_FILES = 3.0
"""How long to look at the files of the output, which may be on a server that does not answer."""

MOVIES = (".mov", ".mp4", ".m4v", ".avi", ".mkv", ".webm", ".mxf")
_ARGUMENTS = (
    ("FarmTasksTask", "task"),
    ("FarmTasksStatus", "task_status"),
    ("FarmTasksComment", "comment"),
    ("FarmTasksPerson", "person"),
    ("FarmTasksFps", "fps"),
)


def publish(job, entry, log, mapped, asked=False):
    """Hand over the publish of a finished job.

    Args:
        job: Deadline's job.
        entry: ``entry(name, default)`` gives the event plugin's settings.
        log: Has LogInfo and LogWarning.
        mapped: Deadline's path mapping for this machine.
        asked: Whether the job is to be published without FarmTasksPublish=1.
    """

    def info(name):
        return (job.GetJobExtraInfoKeyValue(name) or "").strip()

    if not asked and info("FarmTasksPublish").lower() not in ("1", "true", "yes"):
        return
    try:
        arguments = arguments_of(job, info, mapped)
        done = farm_tasks_client.publish(
            arguments,
            key_of(job, arguments),
            info("FarmTasksPriority").lower() or "normal",
            farm_job_of(job),
            command=_command(entry("Command", "")),
            spool=entry("SpoolFolder", "").strip() or None,
            seconds=float(entry("Seconds", "5")),
        )
    except (farm_tasks_client.Failed, ValueError) as error:
        log.LogWarning("farm_tasks: job %s was not published: %s" % (job.JobId, error))
        return
    log.LogInfo("farm_tasks: job %s will be published: %s" % (job.JobId, done))


def arguments_of(job, info, mapped):
    """The arguments of farm_tasks.submit.publish.

    Raises:
        ValueError: the job does not say enough, or wrongly.
    """
    arguments = dict((name, info(key)) for key, name in _ARGUMENTS if info(key))
    more = json.loads(info("FarmTasksArguments") or "{}")
    if not isinstance(more, dict):
        raise ValueError("FarmTasksArguments is not a JSON object.")
    if "previews" not in more and "frames" not in more:
        path = _output(job, info("FarmTasksOutput") or "0", mapped)
        if path.lower().endswith(MOVIES) or not re.search("#|%0?[0-9]*d", path):
            arguments["previews"] = [path]
        else:
            arguments["frames"] = path
            arguments["frame_range"] = str(job.JobFrames)
    arguments.update(more)
    if not arguments.get("task"):
        raise ValueError("set FarmTasksTask, such as demo/SQ01/SH010/compositing.")
    if arguments.get("frames") and not arguments.get("fps"):
        raise ValueError("set FarmTasksFps, such as 24 or 24000/1001: its output is frames.")
    return arguments


def key_of(job, arguments):
    """``deadline:<job id>:<digest>``: the same for a job that is requeued and renders nothing anew.

    Should the files not be seen in time, the job's end stands for them: rather twice than never.
    """
    found = []
    look = threading.Thread(
        target=lambda: found.append(farm_tasks_client.content_of_request(arguments))
    )
    look.daemon = True
    look.start()
    look.join(SECONDS_FOR_FILES)
    content = found[0] if found else str(job.JobCompletedDateTime)
    return "deadline:%s:%s" % (job.JobId, content)


def farm_job_of(job):
    """What lists and logs call the job."""
    name = "".join(one for one in str(job.JobName) if one >= " " and one != "\x7f")
    return ("deadline %s %s" % (job.JobId, name))[:200]


def _output(job, number, mapped):
    folders, names = list(job.JobOutputDirectories), list(job.JobOutputFileNames)
    try:
        folder, name = folders[int(number)], names[int(number)]
    except (IndexError, ValueError):
        raise ValueError(
            "the job names no output %s. Set OutputDirectory0 and OutputFilename0 when it is "
            "submitted, or previews in FarmTasksArguments." % number
        )
    # Deadline keeps the frame number as ####, or as ????.
    path = "%s/%s" % (folder.rstrip("/\\"), re.sub(r"\?", "#", name))
    return str(mapped(path))


def _command(setting):
    """The first of the paths, one a line, that is here: Windows and Linux share the setting."""
    paths = [one.strip() for one in re.split("[;\r\n]", setting) if one.strip()]
    return ([one for one in paths if os.path.isfile(one)] or paths or [None])[0]
