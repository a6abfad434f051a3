"""Showing what is in a dataset or a source: a summary, text, and a page.

Charts and the frame of a page belong to `html`.
"""
