"""What a trial of images is made of, apart from its objective: data, model, optimiser, checks.

These models are the boundary where YAML or a Ray dict comes in, so they are frozen pydantic
models that refuse unknown keys. Everything here is shared by the members of a cohort except the
objective, the learning rate, its schedule and the weight decay.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

PositiveInt = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Momentum = Annotated[float, Field(ge=0.0, lt=1.0)]
WeightDecay = Annotated[float, Field(ge=0.0)]
WarmupSteps = Annotated[int, Field(ge=0)]
Schedule = Literal["constant", "cosine"]
Norm = Literal["batch", "group", "layer", "none"]
SourceName = Literal["digits", "glyphs", "fashion_mnist", "cifar10", "cifar100", "image_folder"]
AugmentPolicy = Literal["simple", "simclr", "autoaugment", "randaugment"]


class Frozen(BaseModel):
    """Base of every settings model: immutable, unknown keys refused, no NaN or infinity."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True
    )


class AugmentSettings(Frozen):
    """Random view of an image, by one of four policies; each reads the settings named with it.

    - ``simple``: shift, scale, intensity, noise of standardised images. Zero switches a part off.
    - ``simclr``: random crop (``crop_low``), ``flip``, ``jitter``, ``drop_colour``, ``blur``. The
      defaults are those for CIFAR-10 (arXiv:2002.05709, appendix B.9); for ImageNet it is
      ``jitter: 1`` and ``blur: 0.5``. Small grey images want less: on digits and glyphs, whose
      classes a mirror changes, ``flip: 0`` and ``crop_low: 0.5``.
    - ``autoaugment``: crop and flip, then the policy learned for ``learned_on``
      (arXiv:1805.09501).
    - ``randaugment``: crop and flip, then ``operations`` random ones, each of ``magnitude``
      thirtieths of its range (arXiv:1909.13719).

    Attributes:
        crop_low: Smallest share of the image's area that a crop keeps; 1 keeps all of it.
        flip: Probability of a mirror image.
        jitter: Strength s of a change of brightness, contrast and saturation by up to 0.8 s and
            of the hue by up to 0.2 s, which 80 % of the views get. Grey images have no saturation
            and no hue.
        drop_colour: Probability that a view loses its colours; nothing for grey images.
        blur: Probability of a Gaussian blur over a tenth of the image, of 0.1 to 2 pixels.
        views: How many views of each image a frozen encoder encodes, once for all steps; every
            step draws two of them. Encoders that are trained see fresh views in every step.
    """

    policy: AugmentPolicy = "simple"
    shift_pixels: Annotated[float, Field(ge=0.0, le=8.0)] = 1.0
    scale: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.15
    intensity: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.25
    noise_std: Annotated[float, Field(ge=0.0, le=1.0)] = 0.1
    crop_low: Annotated[float, Field(gt=0.0, le=1.0)] = 0.08
    flip: Fraction = 0.5
    jitter: Annotated[float, Field(ge=0.0, le=1.25)] = 0.5
    drop_colour: Fraction = 0.2
    blur: Fraction = 0.0
    learned_on: Literal["cifar10", "svhn", "imagenet"] = "cifar10"
    operations: Annotated[int, Field(ge=1, le=15)] = 2
    magnitude: Annotated[float, Field(gt=0.0, lt=30.0)] = 9.0
    views: Annotated[int, Field(ge=2, le=1000)] = 8


def _default_test_fraction(given: dict[str, Any]) -> float | None:
    return 0.3 if given["source"] in ("digits", "glyphs") else None


class DataSettings(Frozen):
    """Which images, how they are split (fixed by ``split_seed``, shared by all replicates).

    ``folder`` is where a source lies on every node, as an absolute path: needed for cifar10,
    cifar100 and image_folder, in the place of Debian's package for fashion_mnist and glyphs.
    Nothing is downloaded. ``image_size`` (pixels to a side) is for glyphs and image_folder,
    ``colour`` for image_folder: without it all images must be of one kind, with it all are
    converted.

    ``test_fraction`` applies to the digits, to an image_folder without a test split, and to the
    fonts of the glyphs. Sources that have a test split keep it, and refuse a fraction.

    ``classes`` keeps the images of the first so many classes, in the source's order (glyphs: A to
    Z, 0 to 9; image_folder: by name); without it, of all. ``limit`` then keeps at most so many
    images of each split, with equal class shares. ``imbalance`` then thins out the train split's
    classes, each by the same factor more than the one before, until the last has 1 /
    ``imbalance`` of its images. Both are drawn once, by ``split_seed``.
    """

    source: SourceName
    test_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] | None = Field(
        default_factory=_default_test_fraction
    )
    split_seed: Annotated[int, Field(ge=0)] = 0
    folder: str | None = None
    image_size: Annotated[int, Field(ge=4, le=512)] | None = None
    colour: Literal["rgb", "grey"] | None = None
    classes: Annotated[int, Field(ge=2)] | None = None
    limit: PositiveInt | None = None
    imbalance: Annotated[float, Field(ge=1.0, le=100.0)] = 1.0
    augment: AugmentSettings = AugmentSettings()


def _default_hidden(given: dict[str, Any]) -> tuple[int, ...]:
    if given["weights"] is not None:
        return ()
    return _DEFAULT_HIDDEN[given["encoder"]]


_DEFAULT_HIDDEN: dict[str, tuple[int, ...]] = {
    "mlp": (128, 128),
    "conv": (32, 64, 128),
    "resnet": (16, 32, 64),
    "resnet18": (),
    "resnet50": (),
    "vit": (64, 64),
}


def _default_norm(given: dict[str, Any]) -> Norm:
    return "batch" if given["encoder"].startswith("resnet") else "none"


class ModelSettings(Frozen):
    """An encoder of images and a projection head (linear, norm, ReLU) to ``embed_dim``.

    ``hidden``: for mlp the widths of its layers (each with ``norm`` and ReLU), for conv those of
    its 3 x 3 convolutions (likewise), for resnet those of its stages (two basic blocks each), for
    vit one width per layer, all equal. resnet18 and resnet50 are the published ones, all widths
    multiplied by ``width``. ``stem`` is the first convolution of a resnet: 3x3 keeps all pixels,
    7x7 and a pooling keep one of 16; by default 3x3 for images up to 64 pixels a side. ``pool``
    is for conv: its last map is averaged to so many cells a side, 1 by default. Images whose
    parts have their place, such as clothes and letters, want 2.

    ``norm`` is one of batch, group, layer (over all features, or channels and pixels, of an
    image) and none; resnets have batch, which is their default, or group; vit has its own.
    ``head_norm`` is that of the head's hidden layers, ``norm`` if it is not given. With
    ``head_out_norm: batch`` the head ends in a batch norm, which re-centres every batch.

    ``weights`` names a local folder in Hugging Face's format instead, whose ``config.json`` says
    the sizes and whose ``model.safetensors`` the initial weights of every replicate; the head's
    are drawn by seed all the same. ``frozen`` trains the head alone, on features that are
    computed once; an encoder without ``weights`` is then drawn by the data's split seed, the same
    for all replicates.
    """

    encoder: Literal["mlp", "conv", "resnet", "resnet18", "resnet50", "vit"]
    weights: str | None = None
    frozen: bool = False
    width: Annotated[float, Field(gt=0.0, le=4.0)] | None = None
    stem: Literal["3x3", "7x7"] | None = None
    pool: Annotated[int, Field(ge=1, le=8)] | None = None
    hidden: Annotated[tuple[PositiveInt, ...], Field(default_factory=_default_hidden)]
    head_hidden: tuple[PositiveInt, ...] = ()
    head_norm: Norm | None = None
    head_out_norm: Literal["none", "batch"] = "none"
    embed_dim: Annotated[int, Field(ge=2)] = 32
    norm: Norm = Field(default_factory=_default_norm)


class SharedTrainSettings(Frozen):
    """How a cohort is trained: what its members have in common.

    ``momentum`` is that of sgd and lars, ``nesterov`` is for sgd with momentum. ``clip_norm``
    bounds the joint norm of each member's gradients. ``precision: bfloat16`` runs encoder and
    head in bfloat16 while they train; losses, weights and every measure stay in float32.

    ``split`` says what the workers of a lane share out: ``members`` (each trains packs of its own,
    without communication) or the ``data`` (all train one pack, each on its rows of every batch,
    equal to one worker but for rounding). Members is faster wherever a pack fits a worker; data
    is for few large members: when there are fewer packs than workers, or a batch does not fit
    one device. Batch norm is refused with it.

    For batches that don't fit into memory: ``micro_batch_size`` pairs are embedded at a time,
    with the exact gradient of the whole batch, for twice the forward passes; batch norm, whose
    statistics are the batch's, is refused with it. ``checkpoint_activations`` keeps each layer's
    input only and computes the rest again in the backward pass: the same gradients.
    """

    batch_size: Annotated[int, Field(ge=2)] = 256
    steps: PositiveInt = 400
    optimizer: Literal["sgd", "adam", "adamw", "lars"] = "sgd"
    momentum: Momentum = 0.9
    nesterov: bool = False
    clip_norm: Annotated[float, Field(gt=0.0)] | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    micro_batch_size: PositiveInt | None = None
    checkpoint_activations: bool = False
    split: Literal["members", "data"] = "members"


class TrainSettings(SharedTrainSettings):
    """How one trial is trained; the learning rate is an axis of its own (``lr``).

    What stands here may differ between the members of a cohort. The learning rate climbs over
    the first ``warmup_steps``, then is constant or falls to zero at ``steps`` as half a cosine.
    """

    weight_decay: WeightDecay = 0.0
    warmup_steps: WarmupSteps = 0
    schedule: Schedule = "constant"

    def shared(self) -> SharedTrainSettings:
        """Return what the members of a cohort have in common."""
        names = SharedTrainSettings.model_fields
        return SharedTrainSettings.model_validate(self.model_dump(include=set(names)))


class CollapseSettings(Frozen):
    """What counts as collapsed, how often it is checked, and when a member is decided early.

    A member is decided early when ``settle_checks`` checks in a row lie below
    ``below - margin`` (or it diverged); a share ``audit`` of such members, drawn by seed, is
    trained to the end all the same, so that the report can say how often early was wrong.
    ``settle_checks: 0`` trains every member to the end. Collapse in the first steps is often
    transient: on the digits, 3 checks of 25 steps below 1.5 were wrong for 5 of 12 audited
    members; 6 checks below 1.01 for none of 7.

    A member that kept its rank is healthy if it improved on ``utility`` since its first weights,
    and undertrained otherwise: ``knn_accuracy`` of the encoder's features on the test images,
    ``recall_at_1`` of clips and captions (of audio-text studies, which have no kNN accuracy), or
    ``train_loss``, where the data are so easy that random features classify them already.
    """

    metric: Literal["effective_rank", "rankme", "stable_rank", "participation_ratio"] = (
        "effective_rank"
    )
    below: Annotated[float, Field(gt=1.0)] = 2.0
    every_steps: PositiveInt = 25
    settle_checks: Annotated[int, Field(ge=0)] = 6
    margin: Annotated[float, Field(ge=0.0)] = 0.99
    audit: Fraction = 0.1
    utility: Literal["knn_accuracy", "recall_at_1", "train_loss"] = "knn_accuracy"


class EvaluateSettings(Frozen):
    """What is measured of a trial when it ends, beside the kNN accuracy of encoder features.

    Everything is fitted on training images without augmentation and scored on the test images:
    ``linear_probe`` (probe_accuracy), ``nccc`` (nearest class centre), ``few_shot`` so many
    samples of each class (class centres, mean of 20 draws; 0 switches it off), all of encoder
    features; with ``projection`` they and kNN are measured of projections too (names end in
    _projection). ``cdnv`` is the variability of classes against their distance, in features and
    projections of the test images.

    ``train_images`` bounds what is fitted on, kNN's neighbours included: a larger train split is
    represented by as many of its images, drawn once by ``data.split_seed``.

    Of audio-text studies, whose retrieval is always measured: ``zero_shot`` classification by
    prompts in every language, of the test clips that have one class; and ``drift`` at every
    check, on a fixed batch of train clips: how much of a gradient, and of the last step, goes
    along the pull of the pair, with the semantic radius where there is one.
    """

    linear_probe: bool = False
    nccc: bool = False
    few_shot: Annotated[int, Field(ge=0)] = 0
    cdnv: bool = False
    projection: bool = False
    train_images: Annotated[int, Field(ge=100)] = 5000
    zero_shot: bool = False
    drift: bool = False


LearningRate = Annotated[float, Field(gt=0.0)]
