"""HTTP servers on loopback sockets that misbehave in every way that a real one might.

A :class:`LoopbackServer` runs a handler for each request in a thread of its own; a handler is any
function of an :class:`Exchange`. Ready-made ones are in :mod:`tests.servers.answers` (a status, a
redirect, a sequence), :mod:`tests.servers.uploads` (what swallows and parses bodies) and
:mod:`tests.servers.files` (what serves a file, faults included). Where speed, memory or the truth
of a figure are measured, :mod:`tests.servers.processes` runs a server in a process of its own.
"""

from tests.servers.answers import early, hang, in_turn, redirect, status
from tests.servers.files import ServedFile
from tests.servers.loopback import CERTIFICATE, Exchange, Handler, LoopbackServer
from tests.servers.multipart import Part, parse_multipart
from tests.servers.processes import SwallowingProcess, serving_process, swallowing_process
from tests.servers.uploads import UploadSink

__all__ = [
    "CERTIFICATE",
    "Exchange",
    "Handler",
    "LoopbackServer",
    "Part",
    "ServedFile",
    "SwallowingProcess",
    "UploadSink",
    "early",
    "hang",
    "in_turn",
    "parse_multipart",
    "redirect",
    "serving_process",
    "status",
    "swallowing_process",
]
