"""Loaders: from Records to batches, on the CPU or with DALI, and their adaptors for torch.

What is done to pixels belongs to `transforms`, what a training step does with a batch to `train`.
"""
