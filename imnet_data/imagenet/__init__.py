"""What ImageNet is: synsets, label conventions, variants and published facts.

Each fact stands here once. Where images come from belongs to `sources`, what is on disk to
`dataset`.
"""
