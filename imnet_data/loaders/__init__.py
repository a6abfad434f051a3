"""Loaders: batches from a dataset."""
