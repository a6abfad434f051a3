"""What can be done to a JPEG without its pixels."""
