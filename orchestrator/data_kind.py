"""The names that ``rankfall data`` knows. A leaf: the command line reads it without torch."""

from enum import StrEnum


class DataKind(StrEnum):
    """A source of images that can be had as it is."""

    DIGITS = "digits"
    GLYPHS = "glyphs"
    FASHION_MNIST = "fashion_mnist"
    CIFAR10 = "cifar10"
    CIFAR100 = "cifar100"
    TINY_IMAGENET = "tiny_imagenet"
