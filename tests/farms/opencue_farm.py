"""Runs one frame in a real rqd, with a stand-in for the Cuebot that it reports to.

Run by a Python that has opencue-rqd: ``opencue_farm.py FOLDER COMMAND ENVIRONMENT``. Prints what
rqd reported of the frame, and its log, as JSON.
"""

import json
import os
import pwd
import queue
import socket
import subprocess
import sys
import time
from concurrent import futures
from pathlib import Path

import grpc
from opencue_proto import report_pb2, report_pb2_grpc, rqd_pb2, rqd_pb2_grpc

SECONDS = 60


class Cuebot(report_pb2_grpc.RqdReportInterfaceServicer):
    """Takes rqd's reports."""

    def __init__(self):
        self.completions = queue.Queue()

    def ReportRqdStartup(self, request, context):
        return report_pb2.RqdReportRqdStartupResponse()

    def ReportStatus(self, request, context):
        return report_pb2.RqdReportStatusResponse()

    def ReportRunningFrameCompletion(self, request, context):
        self.completions.put(request.frame_complete_report)
        return report_pb2.RqdReportRunningFrameCompletionResponse()


def main(folder, command, environment):
    """Run the frame and print how it went."""
    cuebot = Cuebot()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    report_pb2_grpc.add_RqdReportInterfaceServicer_to_server(cuebot, server)
    cuebot_port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        rqd_port = free.getsockname()[1]
    config = folder / "rqd.conf"
    config.write_text(
        f"[Override]\nRQD_GRPC_PORT={rqd_port}\nCUEBOT_GRPC_PORT={cuebot_port}\n"
        "OVERRIDE_CUEBOT=127.0.0.1\nOVERRIDE_HOSTNAME=127.0.0.1\nRQD_USE_IP_AS_HOSTNAME=False\n"
        "OVERRIDE_NIMBY=False\nRQD_BECOME_JOB_USER=False\n"
    )
    user = pwd.getpwuid(os.getuid()) if os.getuid() else pwd.getpwnam("daemon")
    job, name = "demo-sh010-td_comp", "1001-publish_to_kitsu"
    log = folder / f"{job}.{name}.rqlog"
    frame = rqd_pb2.RunFrame(
        resource_id="proc-1", job_id=environment["CUE_JOB_ID"], job_name=job, frame_id="frame-1",
        frame_name=name, layer_id="layer-1", command=command, show="demo", shot="sh010",
        # A user that is there, for rqd makes those that are not; and not root, whom it refuses.
        user_name=user.pw_name, uid=user.pw_uid, gid=user.pw_gid, num_cores=100,
        ignore_nimby=True, log_dir=str(folder), log_file=log.name, log_dir_file=str(log),
        start_time=int(time.time()), environment=environment,
    )  # fmt: skip
    with (folder / "rqd.log").open("wb") as output:
        rqd = subprocess.Popen(
            [sys.executable, "-m", "rqd", "-c", str(config), "--nimbyoff"],
            stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        with grpc.insecure_channel(f"127.0.0.1:{rqd_port}") as channel:
            stub = rqd_pb2_grpc.RqdInterfaceStub(channel)
            request = rqd_pb2.RqdStaticLaunchFrameRequest(run_frame=frame)
            stub.LaunchFrame(request, timeout=SECONDS, wait_for_ready=True)
        report = cuebot.completions.get(timeout=SECONDS)
    finally:
        rqd.kill()
        rqd.wait()
        server.stop(None)
    said = {"exit_status": report.exit_status, "log": log.read_text(errors="replace")}
    print(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]))
