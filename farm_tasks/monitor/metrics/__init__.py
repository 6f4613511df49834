"""What Prometheus is told: the counts that lie in Redis, the queues and the workers.

``farm-tasks metrics`` serves it, as it is when Prometheus asks. Imports neither the worker nor
Kitsu, and only reads.
"""
