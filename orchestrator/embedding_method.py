"""How embeddings are laid out in two dimensions: a file of its own, for --help needs no drawing."""

from enum import StrEnum


class Method(StrEnum):
    """PCA, or t-SNE (van der Maaten & Hinton 2008)."""

    PCA = "pca"
    TSNE = "tsne"
