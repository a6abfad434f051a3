"""ImageNet, from the official tarballs to a verified dataset and into the trainer."""
