"""`python -m imnet_data` is `imnet-data`."""

from imnet_data.cli import main

main(prog_name="imnet-data")
