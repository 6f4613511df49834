# -*- coding: utf-8 -*-
"""Ask farm_tasks to publish, from any Python: copy this file, the standard library is all it needs.

It runs where farm_tasks cannot be installed: in the Python of a farm or of a DCC, 2.7 or 3.x. It
either runs the command ``farm-tasks publish --no-wait``, or writes a request into a spool folder,
which ``farm-tasks worker --spool`` or ``farm-tasks spool flush`` picks up. It waits for neither
Kitsu nor the transfer, and knows no password.

    import farm_tasks_client
    asked = {"task": "demo/SQ01/SH010/compositing", "previews": ["/projects/demo/comp.mov"]}
    farm_tasks_client.publish(
        asked,
        key="tractor:1234:" + farm_tasks_client.content_of_request(asked),
        command="/opt/farm-tasks/bin/farm-tasks",
        spool="/projects/.spool",
    )

The same from a shell; the arguments of ``farm_tasks.submit.publish`` are a JSON object on stdin:

    python farm_tasks_client.py --spool /projects/.spool --key tractor:1234 < publish.json
"""

from __future__ import print_function, unicode_literals

import argparse
import errno
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import uuid

FORMAT = 1
"""Version of the spool's requests."""

TEMPORARY = 75
"""The command's exit code for what may work later."""

SECONDS = 10.0
"""How long the command may take to hand over a request."""

_PATHS = ("previews", "attachments", "frames", "logo", "movie_path")
_CONFIGS = (".ocio", ".ocioz")
_FRAME_NUMBER = re.compile(r"#+|@+|%0?[0-9]*d|\$F[0-9]*")
_ABSOLUTE = re.compile(r"^(/|\\|[A-Za-z]:[/\\])")


class Failed(Exception):
    """The request was neither taken by the command nor written; ``code`` is an exit code."""

    def __init__(self, message, code=TEMPORARY):
        Exception.__init__(self, message)
        self.code = code


def publish(
    arguments,
    key=None,
    priority="normal",
    farm_job=None,
    command=None,
    spool=None,
    seconds=SECONDS,
):
    """Hand over one publish and return at once.

    Args:
        arguments: A dict of what ``farm_tasks.submit.publish`` takes: task, previews or frames, ...
        key: Names this piece of work, so that a requeued job publishes it once.
        priority: "high", "normal" or "low".
        farm_job: What logs and lists call the farm's job.
        command: The path of ``farm-tasks``, or a list with arguments that come before ours.
        spool: A folder; written to where there is no command, or where it cannot hand over now.
        seconds: How long the command may take.

    Returns:
        The submission's id, or the path of the request in the spool.

    Raises:
        Failed: it was not handed over; the message says why.
    """
    if not command and not spool:
        raise Failed("Give a command, a spool folder, or both.", 2)
    if priority not in ("high", "normal", "low"):
        raise Failed("The priority is %r, and not high, normal or low." % (priority,), 2)
    # One name for both ways: should the command have done it after all, the spool does not again.
    key = key or "client:%s" % uuid.uuid4()
    if command:
        try:
            return run(command, arguments, key, priority, farm_job, seconds)
        except Failed as error:
            if not spool or error.code != TEMPORARY:
                raise
    return write(spool, arguments, key, priority, farm_job)


def run(command, arguments, key, priority="normal", farm_job=None, seconds=SECONDS):
    """Run ``farm-tasks publish --no-wait`` and return the submission's id.

    Raises:
        Failed: it cannot be run, took too long or said no.
    """
    argv = [command] if hasattr(command, "upper") else list(command)
    argv += ["publish", "--stdin", "--no-wait", "--key", key, "--priority", priority]
    if farm_job:
        argv += ["--farm-job", farm_job]
    options = {"creationflags": 0x08000000} if os.name == "nt" else {}  # CREATE_NO_WINDOW
    # Files, not pipes: whatever the command may have started cannot keep us waiting for their end.
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out:
        with tempfile.TemporaryFile() as err:
            given.write(_json(_absolute(arguments)))
            given.seek(0)
            try:
                process = subprocess.Popen(
                    argv, stdin=given, stdout=out, stderr=err, env=_environment(), **options
                )
            except OSError as error:
                raise Failed("%s cannot be run: %s. Set its full path." % (argv[0], error))
            _wait(process, argv[0], seconds)
            printed, said = _read(out), _read(err).strip()
    if printed.startswith("spooled "):  # it has kept the request itself: FARM_TASKS_SPOOL
        return printed[len("spooled ") :].strip()
    if process.returncode:
        code = process.returncode if process.returncode > 0 else TEMPORARY
        raise Failed(said or "%s ended with code %d." % (argv[0], code), code)
    return (printed.split() or [""])[0]


def _wait(process, name, seconds):
    # Python 2.7 has no timeout of its own.
    began = time.time()
    while process.poll() is None:
        if not 0 <= time.time() - began < seconds:
            process.kill()
            process.wait()
            raise Failed("%s took more than %g seconds." % (name, seconds))
        time.sleep(0.02)


def _read(stream):
    stream.seek(0)
    return stream.read().decode("utf-8", "replace")


def write(spool, arguments, key=None, priority="normal", farm_job=None):
    """Write a request into the spool folder, whole or not at all, and return its path.

    Raises:
        Failed: the folder cannot be written to.
    """
    one = str(uuid.uuid4())
    request = {
        "farm_tasks": FORMAT,
        "function": "publish",
        "arguments": _absolute(arguments),
        "key": key or "spool:" + one,
        "priority": priority,
        "farm_job": farm_job,
        "made": time.time(),
    }
    name = "%s-%s.json" % (time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()), one)
    path = os.path.join(spool, name)
    half = os.path.join(spool, ".%s.part" % name)
    try:
        with io.open(half, "wb") as stream:
            stream.write(_json(request))
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(half, 0o640)  # who submits it is of the group, whatever umask the farm has
        os.rename(half, path)
    except (IOError, OSError) as error:
        _remove(half)
        raise Failed("The spool folder %s cannot be written to: %s" % (spool, error))
    return path


def content_of(paths):
    """A digest of the names, sizes and times of files; another one when a frame is rendered again.

    A path may be a sequence, with its frame number as ``####``, ``%04d``, ``@@@@`` or ``$F4``.
    What does not exist counts as such. Folders do not count: Windows and Linux name them otherwise.
    One text is one path.
    """
    digest = hashlib.sha256()
    for path in sorted(_files(map(_text, _listed(paths)))):
        name = re.split(r"[/\\]", path)[-1]
        try:
            found = os.stat(path)
            line = "%s %d %d" % (name, found.st_size, found.st_mtime)
        except OSError:
            line = "%s missing" % name
        digest.update(line.encode("utf-8", "replace") + b"\n")
    return digest.hexdigest()[:16]


def content_of_request(arguments):
    """The digest of what a publish is about: its previews and its frames.

    What is no path is passed over here; whoever submits the arguments says so.
    """
    return content_of(_listed(arguments.get("previews")) + _listed(arguments.get("frames")))


def _listed(paths):
    """The paths of a list, or of one text; others than texts are left out."""
    if hasattr(paths, "upper"):
        return [paths] if paths else []
    try:
        return [one for one in paths or () if hasattr(one, "upper")]
    except TypeError:
        return []


def _files(paths):
    """The files themselves; a sequence is all of its frames that are in its folder."""
    for path in paths:
        folder, name = os.path.split(path)
        places = list(_FRAME_NUMBER.finditer(name))
        if not places or os.path.exists(path):
            yield path
            continue
        # The last one is the frame's: what stands before it is the name.
        before, after = name[: places[-1].start()], name[places[-1].end() :]
        frame = re.compile("^" + re.escape(before) + r"-?\d+" + re.escape(after) + "$")
        try:
            names = os.listdir(folder or ".")
        except OSError:
            names = []
        found = [os.path.join(folder, one) for one in names if frame.match(one)]
        # Without any, the sequence itself counts as missing: no digest is of nothing.
        for one in found or [path]:
            yield one


def _absolute(arguments):
    """The arguments with absolute paths: whoever carries them out runs elsewhere."""
    made = dict(arguments)
    for name in _PATHS:
        value = made.get(name)
        if not value:
            continue
        if hasattr(value, "upper"):
            made[name] = _absolute_path(value)
        else:
            made[name] = [_absolute_path(one) for one in value]
    config = made.get("color_config")
    if config and _is_config_path(config):
        made["color_config"] = _absolute_path(config)
    return made


def _is_config_path(given):
    """Whether it is an OCIO config's path, and not the name of one that OCIO brings."""
    if given.startswith("ocio://"):
        return False
    return bool(_ABSOLUTE.match(given)) or given.lower().endswith(_CONFIGS) or os.path.isfile(given)


def _absolute_path(path):
    # A path of another system stays as it is, for the path map.
    return path if _ABSOLUTE.match(path) else os.path.abspath(path)


def _environment():
    """Ours, without what points a Python at the libraries of the one that we run in."""
    own = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "__PYVENV_LAUNCHER__")
    return dict((name, value) for name, value in os.environ.items() if name not in own)


def _text(path):
    return path.decode("utf-8", "replace") if isinstance(path, bytes) else path


def _json(value):
    return json.dumps(value, sort_keys=True).encode("ascii")


def _remove(path):
    try:
        os.remove(path)
    except OSError as error:
        if error.errno != errno.ENOENT:
            print("farm_tasks: %s is left over: %s" % (path, error), file=sys.stderr)


def main(argv=None):
    """The command line; returns its exit code."""
    parser = argparse.ArgumentParser(
        description="Hand over a publish, whose arguments are a JSON object on stdin."
    )
    parser.add_argument("--command", help="the path of farm-tasks")
    parser.add_argument("--spool", default=os.environ.get("FARM_TASKS_SPOOL"), help="a folder")
    parser.add_argument("--key", help="names this piece of work; {content} is replaced by a digest")
    parser.add_argument("--priority", default="normal", choices=["high", "normal", "low"])
    parser.add_argument("--farm-job", default=os.environ.get("FARM_TASKS_FARM_JOB"))
    parser.add_argument("--seconds", type=float, default=SECONDS, help="given to the command")
    given = parser.parse_args(argv)
    try:
        arguments = json.load(sys.stdin)
        if not isinstance(arguments, dict):
            raise ValueError("not an object")
    except (ValueError, RuntimeError) as error:  # the latter where it is nested too deep
        print("error: stdin: %s" % error, file=sys.stderr)
        return 2
    key = given.key
    if key and "{content}" in key:
        key = key.replace("{content}", content_of_request(arguments))
    try:
        print(
            publish(
                arguments,
                key,
                given.priority,
                given.farm_job,
                given.command,
                given.spool,
                given.seconds,
            )
        )
    except Failed as error:
        print("error: %s" % error, file=sys.stderr)
        return error.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
