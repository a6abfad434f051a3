"""What a dataset is on disk: description, manifest, index, and all of it opened.

The bytes of shards belong to `formats`; writing a dataset to `conversion`, proving one to
`verification`.
"""
