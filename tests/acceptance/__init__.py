"""The whole road, and what it promises: submitter, Redis, worker, server, each a process."""
