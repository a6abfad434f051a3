"""The computer that the package runs on: files, worker processes, progress, provenance.

Nothing here knows about images, datasets or ImageNet; what does belongs to another package.
"""
