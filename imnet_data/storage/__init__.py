"""Where bytes lie: in a folder, or in an object store.

What reads and writes objects belongs here: ranges, whole objects, sizes, the retries, and a
cache of objects on a local disk. What the objects hold belongs to the packages above.
"""
