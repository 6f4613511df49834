"""What render farms need of us: the lines they read progress from, and the files they run.

dialects is used by the command line. client and the folders beside it are files for a farm to copy:
they run in the farm's own Python, JavaScript or YAML, never in ours. Imports nothing but
:mod:`farm_tasks.plain_text`; imported by :mod:`farm_tasks.cli` alone.
"""
