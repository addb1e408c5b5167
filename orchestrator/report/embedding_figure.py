"""A trial's test images where it puts them: two dimensions of features and projections, spectra.

Shape legend: P = test images, D = features or projection.
"""

from typing import assert_never

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from orchestrator.embedding_method import Method
from orchestrator.report.canvas import open_figure, to_png
from orchestrator.report.palette import CURVE_COLOURS

Rows = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

_MOST_POINTS = 2000
"""t-SNE of so many takes about ten seconds; more would hide each other anyway."""

_LEGEND_CLASSES = 12


def draw_embeddings(
    features_PF: Rows, projections_PD: Rows, labels_P: Whole, method: Method, title: str
) -> bytes:
    """Return a PNG: features and projections in two dimensions by class, and their spectra.

    At most 2,000 images are drawn, spread evenly over the test images; spectra are of all.
    Layouts are of rows as they are for features, of unit length for projections, which losses
    see so. t-SNE starts from the PCA and draws nothing, so the picture can be made again.

    Args:
        features_PF: Encoder features of the test images.
        projections_PD: Their projections.
        labels_P: Their classes.
        method: PCA or t-SNE (van der Maaten & Hinton 2008).
    """
    spaces = {"encoder features": features_PF, "projections": _normalise(projections_PD)}
    count = min(len(labels_P), _MOST_POINTS)
    taken = np.linspace(0, len(labels_P) - 1, count).astype(np.int64)
    with open_figure(3.8, title) as figure:
        *scatters, spectrum = figure.subplots(1, 3)
        for axes, (name, rows) in zip(scatters, spaces.items(), strict=True):
            _scatter(axes, lay_out(rows[taken], method), labels_P[taken])
            axes.set_title(f"{name}, {_name(method)}")
        for (name, rows), colour in zip(spaces.items(), CURVE_COLOURS, strict=False):
            values = measure_spectrum(rows)
            spectrum.semilogy(np.arange(1, len(values) + 1), values, color=colour, label=name)
        spectrum.set_title("spectrum")
        spectrum.set_xlabel("direction")
        spectrum.set_ylabel("share of the energy")
        spectrum.legend()
        _add_classes(figure, scatters[0], labels_P)
        return to_png(figure)


def lay_out(rows: Rows, method: Method) -> Rows:
    """Return two coordinates per row; the first two principal components, or t-SNE."""
    from sklearn.decomposition import PCA  # noqa: PLC0415
    from sklearn.manifold import TSNE  # noqa: PLC0415

    match method:
        case Method.PCA:
            # The full decomposition: a randomised one would have to be seeded.
            found = PCA(2, svd_solver="full").fit_transform(rows)
        case Method.TSNE:
            perplexity = min(30.0, (len(rows) - 1) / 3)
            model = TSNE(2, perplexity=perplexity, init="pca", random_state=0, n_jobs=1)
            found = model.fit_transform(rows)
        case unreachable:
            assert_never(unreachable)
    coordinates: Rows = np.asarray(found, dtype=np.float64)
    return coordinates


def measure_spectrum(rows: Rows) -> Rows:
    """Return the eigenvalues of the uncentred second moment of unit rows: descending, sum 1.

    Those that round-off alone left (below 1e-9 of the sum) are cut off.
    """
    unit = _normalise(rows)
    values = np.linalg.eigvalsh(unit.T @ unit)[::-1]
    shares: Rows = values / values.sum()
    return shares[shares > 1e-9]


def _normalise(rows: Rows) -> Rows:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Rows = rows / np.where(lengths > 0, lengths, 1.0)
    return unit


def _scatter(axes: Axes, points: Rows, labels: Whole) -> None:
    for label in np.unique(labels):
        own = points[labels == label]
        axes.scatter(
            own[:, 0], own[:, 1], s=4, color=_class_colour(int(label)), linewidths=0, alpha=0.7
        )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)


def _add_classes(figure: Figure, axes: Axes, labels_P: Whole) -> None:
    classes = [int(label) for label in np.unique(labels_P)]
    if len(classes) > _LEGEND_CLASSES:
        return
    handles = [
        axes.scatter([], [], s=18, color=_class_colour(label), label=str(label))
        for label in classes
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(classes), title="class")


def _class_colour(label: int) -> tuple[float, float, float, float]:
    from matplotlib import colormaps  # noqa: PLC0415

    colour: tuple[float, float, float, float] = colormaps["tab20"](label % 20 / 20 + 0.025)
    return colour


def _name(method: Method) -> str:
    return {Method.PCA: "PCA", Method.TSNE: "t-SNE"}[method]
