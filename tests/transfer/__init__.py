"""Bytes over HTTP, against servers that behave and servers that do not."""
