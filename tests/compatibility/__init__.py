"""Which versions of Celery, kombu and redis-py keep what is promised. Run by hand, not by CI.

``python -m tests.compatibility`` makes a throwaway environment for each set of versions below, and
runs in it the tests of what a broker's fault does to a worker. Before a bound in pyproject.toml
moves, add the new versions here, and the results to docs/decisions/0003-celery-below-5.7.md.
"""
