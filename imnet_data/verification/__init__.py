"""Proving a dataset: what is expected, what differs, and repair.

What a dataset looks like is read from `dataset`; nothing here asks how one is written, except
`repair`, which writes.
"""
