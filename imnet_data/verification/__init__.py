"""Proving a dataset: what is expected, what differs, and repair.

The names and the bytes of a dataset's files belong to `dataset`, writing them to `conversion`;
only `repair` calls it.
"""
