"""What limits an input pipeline: each stage alone, then together, on the machine at hand.

    from imnet_data.bench import rounds, text
    report = rounds.measure([root], options)
    print(text.text(report))

Stages take turns, round after round, so that whatever else the machine does meets all of them. Each
result is checked after its timing; a wrong one is an error, never a number. `model` and `device`
import torch, and are imported nowhere else. Comparisons with other libraries belong to the folder
`benchmarks` beside the package.
"""
