"""Royal Render finish script: publishes its job to Kitsu, if the job says as what.

The submitter writes the arguments of farm_tasks.submit.publish as a JSON file beside the frames,
and names it in the job's environment (rrEnvList):

    FARM_TASKS_REQUEST=/projects/demo/SH010/publish.json

Hosts that run finish scripts need FARM_TASKS_SPOOL, the spool folder, or FARM_TASKS_COMMAND, the
path of farm-tasks; or both.
"""

import argparse
import json
import os
import sys


def environment_of(job):
    """The variables that the submitter gave the job."""
    pairs = (one.partition("=") for one in job.customData_Str("rrEnvList").split("~~~"))
    return dict((name, value) for name, equals, value in pairs if equals)


def job_of(jid):
    """The job, from Royal Render's server."""
    sys.path.append(rrGlobal.rrModPyrrPath())  # noqa: F821 (Royal Render's console has it)
    import libpyRR39 as rr

    tcp = rr._rrTCP("")  # noqa: SLF001 (its name)
    tcp.setServer(rrGlobal.rrServer(), 7773)  # noqa: F821
    tcp.setLogin("", "")
    if not tcp.connectAndAuthorize() or not tcp.jobList_GetInfo(jid):
        raise RuntimeError("Royal Render's server does not tell the job: %s" % tcp.errorMessage())
    return tcp.jobs.getJobSend(jid)


def publish(job, jid):
    """Hand over the publish of a job that asks for it; returns what became of it, or None."""
    import farm_tasks_client

    path = environment_of(job).get("FARM_TASKS_REQUEST")
    if not path:
        return None
    with open(path, encoding="utf-8") as stream:
        arguments = json.load(stream)
    return farm_tasks_client.publish(
        arguments,
        key="royalrender:%d:%s" % (jid, farm_tasks_client.content_of_request(arguments)),
        farm_job="royalrender %d" % jid,
        command=os.environ.get("FARM_TASKS_COMMAND"),
        spool=os.environ.get("FARM_TASKS_SPOOL"),
    )


def main():
    """Royal Render's console runs this; a failure is the script's, and shows in its log."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-jid", type=int, required=True)
    jid = parser.parse_known_args()[0].jid
    sys.path.append(os.path.dirname(os.path.abspath(sys.argv[0])))
    print("farm_tasks: %s" % (publish(job_of(jid), jid) or "this job does not ask to be published"))


if __name__ == "__main__":
    main()
