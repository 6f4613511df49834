"""Faults at every phase of a publish, on real parts, and a count of what is in Kitsu afterwards.

phases (where and how a publish is hurt), wire and road (the way to Kitsu, where it happens),
broker_road (the way to Redis), crew (workers, killed in three ways), kitsu (a Kitsu that is
restarted), stage (all of it together), census (what must be there at the end), and soak, the long
run that is started by hand.
"""
