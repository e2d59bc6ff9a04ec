"""The techniques that can be chosen, under the names that the field gives them: what `synthgen list techniques` prints.

Each has a section of its name in `docs/techniques.md` and cites keys of `synthgen.cli.citations`.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["OFFERED", "Offered"]


@dataclass(frozen=True, slots=True)
class Offered:
    """One technique that a user can choose.

    Args:
        name: the field's name for it; a heading in `docs/techniques.md`.
        group: what it is a choice of.
        setting: how it is chosen: a configuration assignment, a command or a Python name.
        summary: one line.
        sources: keys of the citations.
    """

    name: str
    group: str
    setting: str
    summary: str
    sources: tuple[str, ...]


OFFERED: tuple[Offered, ...] = tuple(
    Offered(name, group, setting, summary, tuple(sources.split()))
    for group, rows in (
        ("objective", (
            ("denoising score matching", "always on", "the loss; score() is (D - x)/sigma^2", "vincent2011dsm"),
            ("EDM preconditioning", "noise.parameterisation=edm", "unit-variance inputs and targets", "karras2022edm"),
            ("Gaussian part built in", "noise.covariance=true", "the data's covariance in the preconditioning",
             "wang2024gaussian"),
            ("fine detail in units of the noise", "noise.details=3",
             "an undecimated wavelet transform beside x, so that small noise is seen; the default for calm series",
             "holschneider1989atrous starck1998noise"),
            ("epsilon prediction", "noise.parameterisation=epsilon", "the network predicts the noise", "ho2020ddpm"),
            ("x prediction", "noise.parameterisation=x", "the network predicts the clean record", "li2025jit"),
            ("v prediction", "noise.parameterisation=v", "the network predicts the velocity v",
             "salimans2022progressive"),
            ("flow matching", "noise.parameterisation=flow", "the network predicts the flow velocity n - x",
             "lipman2023flow"),
        )),
        ("loss weight", (
            ("EDM weight with learned uncertainty", "loss.weight=edm", "every noise level counts alike; the default",
             "karras2022edm karras2024edm2"),
            ("uncertainty of each class", "loss.classwise=true", "calm classes count as lively ones do; the default",
             "kendall2018uncertainty"),
            ("min-SNR-gamma", "loss.weight=min-snr", "min(SNR, gamma)", "hang2023minsnr"),
            ("soft min-SNR", "loss.weight=soft-min-snr", "gamma SNR/(gamma + SNR)", "crowson2024hdit"),
            ("P2", "loss.weight=p2", "SNR/(k + SNR)^gamma: perception first", "choi2022p2"),
            ("uniform weight", "loss.weight=uniform", "plain squared error of the clean estimate", "vincent2011dsm"),
            ("velocity loss", "loss.weight=velocity", "the flow velocity's error, whatever is predicted", "li2025jit"),
            ("simple loss", "loss.weight=native", "plain squared error of what is predicted", "ho2020ddpm"),
            ("frequency-domain term", "loss.frequency=0.5", "the error again, weighted by frequency",
             "jiang2021focal yuan2024diffusionts"),
            ("contrastive flow matching", "loss.contrastive=0.05", "away from the velocities of other classes",
             "stoica2025contrastive"),
        )),
        ("noise density", (
            ("EDM lognormal density", "noise.density=lognormal", "ln sigma is normal; the default", "karras2022edm"),
            ("log-uniform density", "noise.density=loguniform", "ln sigma is uniform", "karras2022edm"),
            ("linear schedule", "noise.density=linear", "DDPM's betas rise linearly", "ho2020ddpm song2021sde"),
            ("cosine schedule", "noise.density=cosine", "sigma = tan(pi t/2)", "nichol2021improved"),
            ("sigmoid schedule", "noise.density=sigmoid", "alpha^2 falls as a logistic function", "jabri2023rin"),
            ("flow logit-normal density", "noise.density=logit-normal", "logit of the flow time is normal",
             "esser2024scaling"),
            ("stratified noise levels", "noise.stratified=true", "one level in each quantile of a batch; the default",
             "kingma2021vdm"),
            ("adaptive noise distribution", "noise.adaptive=true", "the density follows the information of a level",
             "guo2005immse"),
            ("noise range from the data", "noise.sigma_max", "the largest distance in the data; the default",
             "song2020improved"),
        )),
        ("sampling grid", (
            ("log grid", "sampling.grid=log", "even in ln sigma; the default", "lu2022dpmpp"),
            ("EDM grid", "sampling.grid=edm", "even in sigma^(1/7)", "karras2022edm"),
            ("cosine grid", "sampling.grid=cosine", "even in the cosine schedule's time", "nichol2021improved"),
            ("linear grid", "sampling.grid=linear", "even in the linear schedule's time", "ho2020ddpm"),
            ("sigmoid grid", "sampling.grid=sigmoid", "even in the sigmoid schedule's time", "jabri2023rin"),
            ("flow grid", "sampling.grid=flow", "even in the flow's time", "lipman2023flow"),
            ("equal-information grid", "sampling.grid=information", "as much information between any two levels",
             "guo2005immse"),
        )),
        ("condition", (
            ("class condition", 'Condition(kind="class")', "an embedding for each class", "ho2022guidance"),
            ("multi-label condition", 'Condition(kind="multilabel")', "a linear map of the multi-hot vector",
             "ho2022guidance"),
            ("continuous condition", 'Condition(kind="vector")', "Fourier features and an MLP", "tancik2020fourier"),
            ("text condition", "data.caption_column=caption", "captions, hashed or by a sentence encoder on disk",
             "weinberger2009hashing reimers2019sbert"),
            ("dense condition", 'Condition(kind="dense")', "channels aligned with the record", "saharia2022palette"),
            ("condition dropout", "Condition(dropout=0.1)", "each condition has a learned null", "ho2022guidance"),
        )),
        ("guidance", (
            ("classifier-free guidance", "sampling.guidance=1.5", "towards the conditions, any subset of them",
             "ho2022guidance"),
            ("guidance interval", "sampling.guidance_interval=[0.2, 1.6]", "guidance at some noise levels only",
             "kynkaanniemi2024interval"),
            ("autoguidance", "sampling.autoguidance=1.5", "away from an early snapshot, or from sampling.guide, a run",
             "karras2024autoguidance"),
            ("guidance rescale", "sampling.rescale=0.7", "the deviation of the unguided estimate", "lin2024flawed"),
            ("dynamic thresholding", "sampling.threshold=0.995", "estimates kept within the data's range",
             "saharia2022imagen"),
            ("ensemble of denoisers", 'sampling.ensemble=["averages"]', "the mean of runs or of EMA widths",
             "lakshminarayanan2017ensembles"),
        )),
        ("sampler", (
            ("exponential Adams predictor-corrector", "sampling.sampler=multistep", "order 1 to 3; the default",
             "lu2022dpmpp zhao2023unipc"),
            ("DDIM", "sampling.sampler=ddim", "first order, deterministic", "song2021ddim"),
            ("DDPM ancestral", "sampling.sampler=ancestral", "the stochastic chain", "ho2020ddpm"),
            ("DPM-Solver++(2M)", "sampling.sampler=dpmpp-2m", "second-order multistep", "lu2022dpmpp"),
            ("DPM-Solver++(3M)", "sampling.sampler=dpmpp-3m", "third-order multistep", "lu2022dpmpp"),
            ("SDE-DPM-Solver++(2M)", "sampling.sampler=dpmpp-sde", "second-order multistep, stochastic",
             "lu2022dpmpp"),
            ("Heun with churn", "sampling.sampler=heun", "EDM's sampler; sampling.churn adds noise back",
             "karras2022edm"),
            ("Langevin predictor-corrector", "sampling.sampler=langevin", "an MCMC step at each level", "song2021sde"),
            ("RePaint resampling", "sampling.sampler=repaint", "each step several times, for imputation",
             "lugmayr2022repaint"),
            ("consistency sampling", "sampling.sampler=consistency", "one or two evaluations after distill",
             "song2023consistency"),
        )),
        ("few steps", (
            ("consistency tuning", "synthgen distill", "a finished run tuned for one or two evaluations",
             "geng2025ect song2023consistency"),
        )),
        ("likelihood", (
            ("probability-flow likelihood", "synthgen.diffusion.log_likelihood", "the ODE with a stochastic trace",
             "song2021sde grathwohl2019ffjord"),
        )),
        ("imputation", (
            ("replacement", "synthgen.diffusion.Replaced", "known entries are kept, with sampler repaint",
             "lugmayr2022repaint song2021sde"),
            ("reconstruction guidance", "synthgen.diffusion.Reconstructed", "the gradient of what is known",
             "rozet2024mmps song2023pigdm"),
            ("mask-conditional training", "train.context=0.5", "part of a training record given: one model, four uses",
             "tashiro2021csdi saharia2022palette"),
            ("noise levels by channel group", "noise.clean=0.25", "image and mask noised each to its own level: one "
             "network, three modes", "bao2023unidiffuser"),
        )),
        ("choice of records", (
            ("vetting by an independent judge", "synthgen generate --drop-inconsistent",
             "records whose label or mask fits worse than real ones are made anew", "yang2023freemask"),
        )),
        ("given records", (
            ("variation of given records", "synthgen generate --from", "noised part of the way and sampled from there",
             "meng2022sdedit"),
            ("inpainting", "synthgen generate --from PATH --inpaint MASKS", "a region drawn anew, the rest to the bit",
             "lugmayr2022repaint rozet2024mmps saharia2022palette"),
        )),
        ("super-resolution", (
            ("cascaded super-resolution", "synthgen train --upsample-from RUN", "a second run enlarges the first one's",
             "ho2022cascaded saharia2021sr3"),
            ("conditioning augmentation", "Condition(noise=0.3)", "noise on a condition, so that mistakes are forgiven",
             "ho2022cascaded"),
        )),
        ("network", (
            ("U-Net", "network.name=unet", "images and series of any size", "ronneberger2015unet"),
            ("patch transformer", "network.name=vit", "patches of large images, predicts x through a narrow waist",
             "li2025jit peebles2023dit"),
            ("diffusion transformer", "network.name=dit", "patches of series, attention by axis", "peebles2023dit"),
            ("grid transformer", "network.name=grid", "patches of series that meet, rotary steps, context by token",
             "peebles2023dit nie2023patchtst su2021rope"),
        )),
        ("average", (
            ("power-function EMA", "ema.widths=[0.05, 0.1, 0.2]", "the width is chosen after training",
             "karras2024edm2"),
            ("post-hoc averages", "ema.snapshots=32", "widths that nobody tracked, made from snapshots",
             "karras2024edm2"),
            ("average chosen by utility", "ema.choose=utility", "the width whose samples train the best judge",
             "karras2024edm2 esteban2017tstr"),
        )),
        ("optimiser", (
            ("AdamW", "optim.name=adamw", "decay on matrices only; the default", "loshchilov2019adamw"),
            ("Adam", "optim.name=adam", "without decoupled decay", "kingma2015adam"),
            ("RMSProp", "optim.name=rmsprop", "a running second moment", "tieleman2012rmsprop"),
            ("SGD with momentum", "optim.name=sgd", "Nesterov's momentum", "sutskever2013momentum"),
            ("LAMB", "optim.name=lamb", "layerwise rates for large batches", "you2020lamb"),
            ("Muon", "optim.name=muon", "orthogonal updates, convolutions as matrices",
             "jordan2024muon liu2025muon schaipp2025benchmark"),
            ("warm-up", "optim.warmup=0.03", "the learning rate rises first", "goyal2017large"),
            ("cooldown learning rate", "optim.schedule=cooldown", "constant, then down to zero; the default",
             "hagele2024cooldown schaipp2025benchmark"),
            ("cosine learning rate", "optim.schedule=cosine", "falling throughout", "loshchilov2017sgdr"),
            ("constant learning rate", "optim.schedule=constant", "for a training whose end is not known",
             "hagele2024cooldown"),
            ("gradient clipping", "optim.clip=1.0", "a largest norm of the gradient", "pascanu2013clipping"),
            ("gradient accumulation", "optim.accumulate=4", "a batch in parts, the same gradient", "goyal2017large"),
            ("mixed precision", "train.precision=fp16", "half precision with loss scaling; also bf16",
             "micikevicius2018mixed"),
            ("gradient noise scale", "always on", "says when a larger batch would help", "mccandlish2018noise"),
            ("dropout by data size", "network.dropout=0.2", "more of it for fewer records unless it is set",
             "srivastava2014dropout karras2022edm"),
            ("weight decay", "optim.weight_decay=0.01", "on matrices only; the same for every data size",
             "loshchilov2019adamw"),
        )),
        ("data", (
            ("data-quality report", "always on", "duplicates, leakage, constants, rare classes, outliers",
             "kapoor2023leakage"),
            ("normalisation", "data.scaling=quantile", "how values become model numbers; series choose among six ways",
             "lecun1998backprop karras2022edm"),
            ("non-leaky augmentation", "data.augment=0.12", "transforms that the network is told of",
             "karras2020ada karras2022edm"),
            ("class-balanced batches", "data.balance=1.0", "every class equally often", "kang2020decoupling"),
            ("data curriculum", "train.data_curriculum=0.3", "typical records first",
             "bengio2009curriculum platanios2019competence"),
            ("noise curriculum", "train.noise_curriculum=0.3", "high noise levels first", "kim2024curriculum"),
        )),
        ("starting point", (
            ("fine-tuning", "synthgen train --init RUN", "the weights of another run by name, shape and class",
             "yosinski2014transfer"),
            ("layer freezing", 'train.freeze=["down.*"]', "weights that stay as they were, with --init",
             "yosinski2014transfer"),
            ("low-rank adapters", "train.lora_rank=4", "a small change beside frozen weights", "hu2022lora"),
            ("rehearsal", "train.rehearsal=0.3", "old records among the new, with --continue",
             "rolnick2019replay zajac2023continual"),
        )),
        ("watching", (
            ("held-out loss by band and class", "train.held_out_every=10", "by quarter of noise levels, by class; "
             "training ends when it has turned up", "prechelt1998early favero2025bigger"),
            ("memorisation alarm", "train.sample_checks=2", "samples that copy training records, with an early stop",
             "favero2025bigger"),
            ("mode-collapse alarm", "train.sample_checks=2", "by class, variance of samples over that of records",
             "odena2017acgan"),
            ("sample grids", "train.sample_grids=true", "a picture of each check's samples", "theis2016note"),
            ("gradient z-scores with roll-back", "always on", "unusual gradients are told, steps that are not finite "
             "undone", "kumar2025zclip chowdhery2023palm"),
        )),
        ("tuning", (
            ("hyperparameter tuning", "synthgen tune", "a tree-structured Parzen estimator, worse trials broken off",
             "bergstra2011tpe golovin2017vizier"),
        )),
        ("privacy", (
            ("differentially private training", "synthgen train --dp-epsilon", "clipped gradients of single records, "
             "noise", "abadi2016dpsgd mironov2019sampled dockhorn2023dpdm"),
        )),
    )
    for name, setting, summary, sources in rows
)  # fmt: skip
