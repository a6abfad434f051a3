"""What `on_gpu.sh` runs: the first minutes on a GPU, as assertions of one JSON line each."""
