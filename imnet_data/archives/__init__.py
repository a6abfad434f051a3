"""Bytes by name: tar, zip, gzip and folders, read in place.

What a name means for ImageNet belongs to `sources`.
"""
