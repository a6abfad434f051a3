"""The installation itself: the native core, the libraries around it, and the GPU stack.

What describes or checks the installation belongs here; what describes a machine while something is
measured belongs to `bench`. Nothing is imported to be found: torch alone would take seconds.
"""
