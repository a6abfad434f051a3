"""Writing a dataset: plan, shards, journals, manifest.

What the files contain is decided by `dataset` and `formats`, where records come from by
`sources`.
"""
