"""What may be set, its default and its meaning: one class a section of the configuration."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

__all__ = [
    "DataConfig",
    "DistillConfig",
    "EmaConfig",
    "LossConfig",
    "NetworkConfig",
    "NoiseConfig",
    "OptimConfig",
    "RunConfig",
    "SamplingConfig",
    "Section",
    "TrainConfig",
]


def _rising(levels: tuple[float, float]) -> tuple[float, float]:
    if not 0 <= levels[0] < levels[1]:
        raise ValueError("the first noise level has to be below the second, and neither below 0")
    return levels


Decay = Annotated[float, Field(ge=0, lt=1)]
Interval = Annotated[tuple[float, float], AfterValidator(_rising)]
"""Noise levels, `(low, high)`."""


class Section(BaseModel):
    """A table of the configuration: frozen, and without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(Section):
    """How the user's data is read and split."""

    path: str = Field("", description="file, folder or name of a demo set; empty: the modality's demo set")
    label_column: str | None = Field(None, description="column (or key) that holds the label; guessed when unset")
    group_column: str | None = Field(None, description="records with the same value never part at splitting")
    id_column: str | None = Field(None, description="timeseries, long layout: which series a row belongs to")
    time_column: str | None = Field(None, description="timeseries, long layout: what orders the rows of a series")
    value_columns: tuple[str, ...] = Field((), description="timeseries: the channels; guessed when empty")
    attributes: tuple[str, ...] = Field(
        (),
        description="columns with one value a record, which can be asked for; timeseries, long layout: guessed",
    )
    caption_column: str | None = Field(
        None, description="image: column of free text that can be asked for, beside data.attributes"
    )
    text_encoder: str = Field(
        "", description="image: directory of a sentence encoder for free text; empty: built-in hashing of words"
    )
    scaling: Literal["auto", "standard", "minmax", "robust", "quantile", "log"] = Field(
        "auto", description="timeseries: how values become model numbers; auto: standard, or asinh where it helps"
    )
    channel_scaling: tuple[str, ...] = Field((), description='timeseries: scaling of single channels, "load=quantile"')
    series_norm: bool = Field(
        False,
        description="timeseries: draw level and spread of a series beside its shape; both can then be asked for",
    )
    intervals: Literal["auto", "always", "never"] = Field(
        "auto", description="timeseries: the time between steps is a channel of its own; auto: where it is uneven"
    )
    window: int | None = Field(None, ge=2, description="timeseries: cut long series into windows of this many steps")
    stride: int | None = Field(None, ge=1, description="timeseries: steps between windows; window // 2 when unset")
    image_size: int | None = Field(None, ge=4, le=1024, description="image, mask: resize to this height and width")
    crop: int | None = Field(
        None, ge=8, le=1024, description="mask: cut larger images into squares of this side instead of resizing them"
    )
    image_mode: Literal["auto", "grey", "rgb", "rgba"] = Field("auto", description="image, mask: convert to this mode")
    mask_suffix: str = Field("", description="mask: what a mask's name has after its image's; guessed when empty")
    mask_values: Literal["auto", "ids", "binary"] = Field(
        "auto",
        description="mask: grey values are class ids, or two classes parted at 128; auto tells from their histogram",
    )
    holdout: float = Field(0.2, gt=0, lt=0.9, description="share kept for evaluation")
    calibration: float = Field(0.1, ge=0, lt=0.9, description="share kept for calibrating anomaly scores")
    validation: float = Field(0.05, ge=0, lt=0.9, description="share for the held-out loss; from 400 records on")
    memory_gib: float = Field(2.0, gt=0, description="sets that are larger once decoded are read piece by piece")
    balance: float = Field(0.0, ge=0, le=1, description="0: classes as often as they come; 1: equally often")
    augment: float = Field(0.0, ge=0, le=1, description="probability of each of the modality's non-leaky augmentations")

    @property
    def told_columns(self) -> tuple[str, ...]:
        """The attributes that are named, the caption among them."""
        return tuple(dict.fromkeys((*self.attributes, *self.caption_columns)))

    @property
    def caption_columns(self) -> tuple[str, ...]:
        """The column that is free text whatever it looks like, if there is one."""
        return () if self.caption_column is None else (self.caption_column,)


class NetworkConfig(Section):
    """The network behind the denoiser."""

    name: str = Field(
        "unet", description="unet (any data), vit (large images), dit or grid (series), mlp (vectors), or a plugin's"
    )
    width: int = Field(48, ge=8, description="channels at full resolution (unet) or token width (vit, dit, grid)")
    multipliers: tuple[int, ...] = Field((1, 2), description="unet: width multiplier at each resolution")
    blocks: int = Field(2, ge=1, description="residual blocks a resolution (unet) or transformer blocks")
    attention: bool = Field(True, description="unet: self-attention at the coarsest resolution")
    heads: int = Field(4, ge=1, description="attention heads")
    patch: int = Field(1, ge=1, description="vit: side of a patch; dit, grid: time steps a token; unet: stem stride")
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout in residual blocks")


class NoiseConfig(Section):
    """Parameterisation, training density over ln sigma and sigma range."""

    parameterisation: Literal["edm", "epsilon", "v", "flow", "x"] = Field("edm", description="what is predicted")
    density: Literal["lognormal", "loguniform", "cosine", "linear", "sigmoid", "logit-normal"] = Field(
        "lognormal", description="distribution of ln sigma in training"
    )
    mean: float = Field(-0.8, description="lognormal: mean of ln sigma; logit-normal: mean of logit t")
    std: float = Field(1.4, gt=0, description="lognormal: standard deviation of ln sigma; logit-normal: of logit t")
    sigma_data: float = Field(0.5, gt=0, description="standard deviation of the encoded data")
    sigma_min: float = Field(0.005, gt=0, description="smallest noise level when sampling")
    sigma_max: float | None = Field(None, gt=0, description="largest; unset: the largest pairwise distance in the data")
    covariance: bool = Field(False, description="build in how the channels vary together; the network learns the rest")
    details: int = Field(
        0, ge=0, le=7, description="octaves of fine detail, in units of the noise, that the network reads beside x"
    )
    stratified: bool = Field(True, description="spread the noise levels of a batch evenly over the density")
    adaptive: bool = Field(False, description="let the density follow the information that a noise level carries")
    independent: float = Field(
        0.0, ge=0, le=1, description="mask: share of training records with a noise level each for image and mask"
    )
    clean: float = Field(
        0.0, ge=0, le=1, description="mask: share of training records with the image, or the mask, without noise"
    )


class LossConfig(Section):
    """Weight of the denoising error."""

    weight: Literal["edm", "min-snr", "soft-min-snr", "p2", "uniform", "native", "velocity"] = Field(
        "edm",
        description="weight on the squared error of D; native: plain error of what is predicted; velocity: of n - x0",
    )
    snr_gamma: float = Field(5.0, gt=0, description="min-snr, soft-min-snr: gamma")
    p2_gamma: float = Field(1.0, ge=0, description="p2: gamma")
    p2_k: float = Field(1.0, gt=0, description="p2: k")
    uncertainty: bool | None = Field(
        None, description="learn the weight of each level; unset: with edm only, for learning replaces any other weight"
    )
    classwise: bool = Field(True, description="learn it for each class, so that calm ones count as lively ones")
    frequency: float = Field(0.0, ge=0, description="factor of a term in the Fourier domain; 0 is none")
    contrastive: float = Field(0.0, ge=0, lt=1, description="factor of contrastive flow matching, 0.05; 0 is none")

    @property
    def learns_uncertainty(self) -> bool:
        """Whether the weight of each noise level is learned (Karras et al. 2024, eq. 14)."""
        return self.weight == "edm" if self.uncertainty is None else self.uncertainty


class OptimConfig(Section):
    """Optimiser and learning-rate schedule."""

    name: Literal["adamw", "adam", "rmsprop", "sgd", "lamb", "muon"] = Field("adamw", description="optimiser")
    lr: float = Field(1e-3, gt=0, description="peak learning rate")
    schedule: Literal["cooldown", "cosine", "constant"] = Field(
        "cooldown", description="learning rate after warm-up: falling at the end, falling throughout, or never"
    )
    betas: tuple[Decay, Decay] = Field(
        (0.9, 0.99), description="decay of the moments; sgd: (momentum, -), rmsprop: (-, decay)"
    )
    weight_decay: float = Field(0.01, ge=0, description="on matrices only")
    warmup: float = Field(0.03, ge=0, lt=1, description="share of training with rising learning rate")
    cooldown: float = Field(0.4, ge=0, le=1, description="schedule cooldown: share with the rate falling to zero")
    clip: float = Field(1.0, gt=0, description="largest gradient norm")
    batch_size: int = Field(128, ge=1, description="records a step")
    accumulate: int = Field(1, ge=1, description="parts a batch is cut into: less memory, the same gradient")


class EmaConfig(Section):
    """Averages of the weights (Karras et al. 2024, power-function EMA)."""

    guide_at: float = Field(
        0.125, ge=0, lt=1, description="share of training after which a snapshot is kept for autoguidance; 0 keeps none"
    )
    keep: bool = Field(False, description="keep the averages of all widths in the run, for sampling.ensemble")

    widths: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (0.05, 0.10, 0.20), min_length=1, description="relative widths; the best on held-out loss stays"
    )
    choose: Literal["held-out", "utility"] = Field(
        "held-out", description="which width stays: by held-out loss, or by a judge trained on samples"
    )
    snapshots: int = Field(0, ge=0, description="kept while training, so that any width can be tried at the end")


class TrainConfig(Section):
    """Budget, seed, precision and watching."""

    samples: int | None = Field(None, ge=1, description="records seen in training; unset: chosen from the data size")
    minutes: float | None = Field(None, gt=0, description="wall-clock budget instead of samples")
    seed: int = Field(0, ge=0, description="seed of everything random")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="auto: the faster of fp32 and bf16 in a timed probe; fp16 with loss scaling"
    )
    threads: int | None = Field(None, ge=1, description="CPU threads; unset: all cores, fewer where timing says so")
    sharding: Literal["ddp", "fsdp"] = Field(
        "ddp", description="several processes: each holds all weights (ddp), or they are cut over them (fsdp)"
    )
    held_out_every: int = Field(10, ge=1, description="held-out loss is measured this many times in a run")
    checkpoint_seconds: float = Field(30.0, gt=0, description="seconds between checkpoints")
    upsample_from: str | None = Field(
        None, description="image: a run whose pictures this one enlarges; what it generates starts from them"
    )
    freeze: tuple[str, ...] = Field((), description="parameters not to train, by pattern, such as down.*; with --init")
    lora_rank: int = Field(0, ge=0, description="with --init: train adapters of this rank beside frozen weights")
    rehearsal: float = Field(0.3, ge=0, lt=1, description="with --continue: share of old records in each batch")
    rehearsal_records: int = Field(2000, ge=1, description="with --continue: old records kept for it")
    context: float = Field(
        0.0, ge=0, lt=1, description="share of training records with part of them given: fills gaps and forecasts too"
    )
    data_curriculum: float = Field(0.0, ge=0, le=1, description="share of training from typical records to all of them")
    noise_curriculum: float = Field(0.0, ge=0, le=1, description="share of training from high noise levels to all")
    sample_checks: int = Field(2, ge=0, description="times in a run that samples are checked for copies and collapse")
    sample_grids: bool = Field(False, description="keep a picture of each check's samples in RUN/samples")
    dp_epsilon: float | None = Field(None, gt=0, description="differential privacy: epsilon; with dp_delta")
    dp_delta: float | None = Field(None, gt=0, lt=1, description="differential privacy: delta, below 1 / records")
    dp_public: str | None = Field(
        None, description="differential privacy: public data of the same kind, from which scaling is learnt"
    )
    dp_range: tuple[str, ...] = Field(
        (), description="differential privacy: LOW:HIGH or NAME=LOW:HIGH, ranges that are known without the records"
    )
    choose_guidance: bool = Field(
        True,
        description="where sampling.guidance is 1: try weights of it at the end, the best is generate's default",
    )
    early_stop: bool = Field(True, description="stop when the held-out loss has turned up, or samples turn into copies")
    loggers: tuple[str, ...] = Field((), description="where else metrics go: tensorboard, wandb, mlflow, or a plugin's")


class SamplingConfig(Section):
    """Defaults of `generate` for this run."""

    sampler: str = Field("multistep", description="name from `synthgen list samplers`")
    steps: int = Field(16, ge=1, description="network evaluations a sample")
    order: int = Field(3, ge=1, le=3, description="multistep: order of the solver")
    grid: Literal["log", "edm", "cosine", "linear", "sigmoid", "flow", "information"] = Field(
        "log", description="spacing of the noise levels"
    )
    sigma_min: float | None = Field(None, gt=0, description="smallest noise level visited; unset: noise.sigma_min")
    sigma_max: float | None = Field(None, gt=0, description="largest noise level visited; unset: noise.sigma_max")
    eta: float = Field(1.0, ge=0, le=1, description="ancestral, dpmpp-sde: share of noise; 0 is the ODE")
    churn: float = Field(0.0, ge=0, description="heun: S_churn of EDM; 0 is none")
    churn_interval: Interval | None = Field(None, description="heun: noise levels where churn acts")
    churn_noise: float = Field(1.0, gt=0, description="heun: S_noise of EDM")
    snr: float = Field(0.16, ge=0, description="langevin: signal-to-noise ratio of the corrector; 0 is none")
    repeats: int = Field(4, ge=1, description="repaint: times that each step is taken")
    guidance: float = Field(
        1.0, ge=0, description="classifier-free guidance weight; 1 is none, or see train.choose_guidance"
    )
    guidance_interval: Interval | None = Field(None, description="noise levels where guidance acts")
    guided: tuple[str, ...] = Field((), description="conditions that guidance acts on; empty: all")
    autoguidance: float = Field(1.0, ge=0, description="weight of guidance by a worse model; 1 is none")
    guide: str = Field("", description="autoguidance: a smaller or shorter run; empty: this one's earlier snapshot")
    rescale: float = Field(0.0, ge=0, le=1, description="share of guidance rescaling (Lin et al.); 0 is none")
    threshold: float | None = Field(
        None, ge=0, le=1, description="quantile of dynamic thresholding, 0.995; 0 clips; unset is none"
    )
    ensemble: tuple[str, ...] = Field(
        (), description="runs whose denoisers are averaged with this one's; averages: its own other EMA widths"
    )
    batch_size: int = Field(256, ge=1, description="records a network call")


class DistillConfig(Section):
    """Consistency tuning of a finished run, for one or two evaluations a sample (`synthgen distill`)."""

    samples: int | None = Field(None, ge=1, description="records seen in tuning; unset: as many as training saw")
    minutes: float | None = Field(None, gt=0, description="wall-clock budget instead of samples")
    lr: float = Field(3e-4, gt=0, description="peak learning rate")
    stages: int = Field(8, ge=1, description="times that the two compared noise levels come closer, plus one")
    mean: float = Field(-1.1, description="mean of ln sigma")
    std: float = Field(2.0, gt=0, description="standard deviation of ln sigma")
    middle: float = Field(0.6, gt=0, description="noise level of the second evaluation")


class RunConfig(Section):
    """Everything that decides what a run becomes."""

    modality: str = Field(description="image, timeseries, mask, vectors, or a plugin's")
    preset: str = Field("default", description="named set of choices of the modality")
    data: DataConfig = DataConfig()
    network: NetworkConfig = NetworkConfig()
    noise: NoiseConfig = NoiseConfig()
    loss: LossConfig = LossConfig()
    optim: OptimConfig = OptimConfig()
    ema: EmaConfig = EmaConfig()
    train: TrainConfig = TrainConfig()
    sampling: SamplingConfig = SamplingConfig()
    distill: DistillConfig = DistillConfig()
