"""From 48 rendered frames to a preview that a supervisor can look at, by the command of a farm."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import gazu
import numpy as np
import pytest
from gazu.client import KitsuClient

from farm_tasks import submit
from farm_tasks.kitsu import operations
from farm_tasks.kitsu.client import kitsu_client
from farm_tasks.sandbox import SandboxInfo
from tests.support.frames import exr_frames
from tests.support.media import digest
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("kitsu_worker")

FIRST, COUNT = 1001, 48
