"""Flower's configuration, which ``farm-tasks flower`` and ``celery -A farm_tasks flower`` use.

Flower executes this file when it starts. Names are Flower's own options (``flower --help``). They
would win over the environment (``FLOWER_PORT`` and the like), so each is left out where that or the
command line has set it.
"""

from tornado.options import options as _options

from farm_tasks.monitor.flower import COLUMNS as _COLUMNS
from farm_tasks.monitor.flower import access as _access
from farm_tasks.monitor.flower import install as _install
from farm_tasks.monitor.flower.startup import end_with_reason as _end_with_reason
from farm_tasks.monitor.flower.startup import is_chosen as _is_chosen
from farm_tasks.settings import settings as _settings

_install()

# The columns of the task list. Besides these: name, uuid, args, kwargs, result, started, stage,
# reason, retries, exception, ...
if not _is_chosen("tasks_columns"):
    tasks_columns = _COLUMNS

# Who may use it. Users of the file, those of FLOWER_BASIC_AUTH, or Flower's own auth_provider.
basic_auth = list(_options.basic_auth or [])
with _end_with_reason():
    _file = _settings().flower_users_file
    if _file is not None:
        basic_auth += _access.users(_file)

# Off the network, unless someone was told who may use it.
if not _options.address and not basic_auth and not _options.auth:
    address = "127.0.0.1"
