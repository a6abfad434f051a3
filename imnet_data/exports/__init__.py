"""Files that another project's own reader needs beside images that it reads where they lie.

What copies or encodes images belongs to `conversion`.
"""
