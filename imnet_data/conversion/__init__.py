"""Writing a dataset: plan, shards, journals, manifest.

What the files contain belongs to `dataset` and `formats`, where records come from to `sources`.
"""
