"""The same as torchvision's, on pillow-simd, which has Pillow's name and a faster resize."""

from rivals.torchvision import TORCH, batches, reads, setting

__all__ = ["batches", "environment", "install", "label", "needs", "reads", "setting"]

label = "torchvision 0.28.0, ImageFolder + DataLoader, pillow-simd 12.1.1"
environment = "pillow-simd"
install = f"{TORCH} && CC='cc -mavx2' pip install --no-binary pillow-simd pillow-simd==12.1.1.post0"
needs = "gcc libjpeg62-turbo-dev zlib1g-dev"
