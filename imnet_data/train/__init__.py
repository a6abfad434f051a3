"""Training: a loop that can be read in one go, recipes as values, and a card for each run.

    from imnet_data.train import loop, recipes
    outcome = loop.train(dataset, out, recipes.get("torchvision-v1"))

`recipes` is numbers alone; all other modules import torch, and are imported nowhere else. Scoring
a trained model belongs to `evaluation`.
"""
