"""The techniques that synthgen uses, where each comes from, and which runs use it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from synthgen.config import RunConfig

__all__ = ["TECHNIQUES", "Technique", "used_by"]


@dataclass(frozen=True)
class Technique:
    """One technique and its paper.

    Args:
        key: BibTeX key.
        purpose: what synthgen uses it for.
        authors, title, venue, year: of the paper; authors joined by " and ".
        used: whether a run of this configuration uses it.
    """

    key: str
    purpose: str
    authors: str
    title: str
    venue: str
    year: int
    used: Callable[[RunConfig], bool]

    def text(self) -> str:
        """One line for a reference list."""
        names = self.authors.split(" and ")
        who = names[0] if len(names) == 1 else f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
        return f"{who} ({self.year}). {self.title}. {self.venue}."

    def bibtex(self) -> str:
        """A BibTeX entry."""
        return (
            f"@misc{{{self.key},\n  author = {{{self.authors}}},\n  title = {{{{{self.title}}}}},\n"
            f"  howpublished = {{{self.venue}}},\n  year = {{{self.year}}}\n}}"
        )


def _always(config: RunConfig) -> bool:
    return True


def _never(config: RunConfig) -> bool:
    """For what is called from Python, and no configuration asks for."""
    return False


TECHNIQUES: tuple[Technique, ...] = (
    Technique(
        "karras2022edm", "preconditioning, noise levels, Heun sampler",
        "Tero Karras and Miika Aittala and Timo Aila and Samuli Laine",
        "Elucidating the Design Space of Diffusion-Based Generative Models", "NeurIPS", 2022, _always,
    ),
    Technique(
        "karras2024edm2", "learned uncertainty weight and power-function EMA",
        "Tero Karras and Miika Aittala and Jaakko Lehtinen and Janne Hellsten and Timo Aila and Samuli Laine",
        "Analyzing and Improving the Training Dynamics of Diffusion Models", "CVPR", 2024, _always,
    ),
    Technique(
        "wang2024gaussian", "the Gaussian part of the denoiser, built in",
        "Binxu Wang and John J. Vastola",
        "The Unreasonable Effectiveness of Gaussian Score Approximation for Diffusion Models and its Applications",
        "arXiv 2412.09726", 2024, lambda config: config.noise.covariance,
    ),
    Technique(
        "ho2022guidance", "condition dropout and classifier-free guidance",
        "Jonathan Ho and Tim Salimans", "Classifier-Free Diffusion Guidance", "arXiv 2207.12598", 2022, _always,
    ),
    Technique(
        "kynkaanniemi2024interval", "guidance in an interval of noise levels",
        "Tuomas Kynkäänniemi and Miika Aittala and Tero Karras and Samuli Laine and Timo Aila and Jaakko Lehtinen",
        "Applying Guidance in a Limited Interval Improves Sample and Distribution Quality in Diffusion Models",
        "NeurIPS", 2024, lambda config: config.sampling.guidance_interval is not None,
    ),
    Technique(
        "lu2022dpmpp", "multistep exponential sampler",
        "Cheng Lu and Yuhao Zhou and Fan Bao and Jianfei Chen and Chongxuan Li and Jun Zhu",
        "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models", "arXiv 2211.01095", 2022,
        lambda config: config.sampling.sampler == "multistep" or config.sampling.sampler.startswith("dpmpp"),
    ),
    Technique(
        "song2021ddim", "DDIM sampler",
        "Jiaming Song and Chenlin Meng and Stefano Ermon", "Denoising Diffusion Implicit Models", "ICLR", 2021,
        lambda config: config.sampling.sampler == "ddim",
    ),
    Technique(
        "ho2020ddpm", "prediction of the noise, or ancestral sampler",
        "Jonathan Ho and Ajay Jain and Pieter Abbeel", "Denoising Diffusion Probabilistic Models", "NeurIPS", 2020,
        lambda config: (
            config.noise.parameterisation == "epsilon"
            or config.noise.density == "linear"
            or config.loss.weight == "native"
            or config.sampling.grid == "linear"
            or config.sampling.sampler == "ancestral"
        ),
    ),
    Technique(
        "nichol2021improved", "cosine noise schedule",
        "Alex Nichol and Prafulla Dhariwal", "Improved Denoising Diffusion Probabilistic Models", "ICML", 2021,
        lambda config: config.noise.density == "cosine" or config.sampling.grid == "cosine",
    ),
    Technique(
        "salimans2022progressive", "prediction of the velocity v",
        "Tim Salimans and Jonathan Ho", "Progressive Distillation for Fast Sampling of Diffusion Models", "ICLR", 2022,
        lambda config: config.noise.parameterisation == "v",
    ),
    Technique(
        "lipman2023flow", "prediction of the flow velocity",
        "Yaron Lipman and Ricky T. Q. Chen and Heli Ben-Hamu and Maximilian Nickel and Matt Le",
        "Flow Matching for Generative Modeling", "ICLR", 2023,
        lambda config: config.noise.parameterisation == "flow",
    ),
    Technique(
        "esser2024scaling", "logit-normal density of flow times",
        "Patrick Esser and Sumith Kulal and Andreas Blattmann and others",
        "Scaling Rectified Flow Transformers for High-Resolution Image Synthesis", "ICML", 2024,
        lambda config: config.noise.density == "logit-normal",
    ),
    Technique(
        "hang2023minsnr", "loss weight",
        "Tiankai Hang and Shuyang Gu and Chen Li and Jianmin Bao and Dong Chen and Han Hu and Xin Geng and Baining Guo",
        "Efficient Diffusion Training via Min-SNR Weighting Strategy", "ICCV", 2023,
        lambda config: config.loss.weight == "min-snr",
    ),
    Technique(
        "vincent2011dsm", "the training objective",
        "Pascal Vincent",
        "A Connection Between Score Matching and Denoising Autoencoders",
        "Neural Computation", 2011, _always,
    ),
    Technique(
        "song2020improved", "largest noise level from the distances in the data",
        "Yang Song and Stefano Ermon",
        "Improved Techniques for Training Score-Based Generative Models",
        "NeurIPS", 2020, _always,
    ),
    Technique(
        "kingma2021vdm", "stratified noise levels",
        "Diederik P. Kingma and Tim Salimans and Ben Poole and Jonathan Ho",
        "Variational Diffusion Models",
        "NeurIPS", 2021, lambda config: config.noise.stratified,
    ),
    Technique(
        "zhao2023unipc", "corrector of the multistep sampler",
        "Wenliang Zhao and Lujia Bai and Yongming Rao and Jie Zhou and Jiwen Lu",
        "UniPC: A Unified Predictor-Corrector Framework for Fast Sampling of Diffusion Models",
        "NeurIPS", 2023, lambda config: config.sampling.sampler == "multistep",
    ),
    Technique(
        "crowson2024hdit", "loss weight",
        "Katherine Crowson and Stefan Andreas Baumann and Alex Birch and Tanishq Mathew Abraham and Daniel Z. "
        "Kaplan and Enrico Shippole",
        "Scalable High-Resolution Pixel-Space Image Synthesis with Hourglass Diffusion Transformers",
        "ICML", 2024, lambda config: config.loss.weight == "soft-min-snr",
    ),
    Technique(
        "choi2022p2", "loss weight",
        "Jooyoung Choi and Jungbeom Lee and Chaehun Shin and Sungwon Kim and Hyunwoo Kim and Sungroh Yoon",
        "Perception Prioritized Training of Diffusion Models",
        "CVPR", 2022, lambda config: config.loss.weight == "p2",
    ),
    Technique(
        "jiang2021focal", "loss term in the Fourier domain",
        "Liming Jiang and Bo Dai and Wayne Wu and Chen Change Loy",
        "Focal Frequency Loss for Image Reconstruction and Synthesis",
        "ICCV", 2021, lambda config: config.loss.frequency > 0,
    ),
    Technique(
        "yuan2024diffusionts", "loss term in the Fourier domain",
        "Xinyu Yuan and Yan Qiao",
        "Diffusion-TS: Interpretable Diffusion for General Time Series Generation",
        "ICLR", 2024, lambda config: config.loss.frequency > 0,
    ),
    Technique(
        "stoica2025contrastive", "contrastive loss term",
        "George Stoica and Vivek Ramanujan and Xiang Fan and Ali Farhadi and Ranjay Krishna and Judy Hoffman",
        "Contrastive Flow Matching",
        "arXiv 2506.05350", 2025, lambda config: config.loss.contrastive > 0,
    ),
    Technique(
        "jabri2023rin", "sigmoid noise schedule",
        "Allan Jabri and David J. Fleet and Ting Chen",
        "Scalable Adaptive Computation for Iterative Generation",
        "ICML", 2023, lambda config: config.noise.density == "sigmoid" or config.sampling.grid == "sigmoid",
    ),
    Technique(
        "guo2005immse", "noise levels by the information that they carry",
        "Dongning Guo and Shlomo Shamai and Sergio Verdú",
        "Mutual Information and Minimum Mean-Square Error in Gaussian Channels",
        "IEEE Transactions on Information Theory", 2005,
        lambda config: config.noise.adaptive or config.sampling.grid == "information",
    ),
    Technique(
        "li2025jit", "prediction of the clean record",
        "Tianhong Li and Kaiming He",
        "Back to Basics: Let Denoising Generative Models Denoise",
        "arXiv 2511.13720", 2025,
        lambda config: config.noise.parameterisation == "x" or config.loss.weight == "velocity",
    ),
    Technique(
        "karras2024autoguidance", "guidance by an early snapshot",
        "Tero Karras and Miika Aittala and Tuomas Kynkäänniemi and Jaakko Lehtinen and Timo Aila and Samuli Laine",
        "Guiding a Diffusion Model with a Bad Version of Itself",
        "NeurIPS", 2024, lambda config: config.sampling.autoguidance != 1,
    ),
    Technique(
        "lin2024flawed", "rescaling of guided estimates",
        "Shanchuan Lin and Bingchen Liu and Jiashi Li and Xiao Yang",
        "Common Diffusion Noise Schedules and Sample Steps Are Flawed",
        "WACV", 2024, lambda config: config.sampling.rescale > 0,
    ),
    Technique(
        "saharia2022imagen", "dynamic thresholding",
        "Chitwan Saharia and William Chan and Saurabh Saxena and others",
        "Photorealistic Text-to-Image Diffusion Models with Deep Language Understanding",
        "NeurIPS", 2022, lambda config: config.sampling.threshold is not None,
    ),
    Technique(
        "lakshminarayanan2017ensembles", "ensemble of denoisers",
        "Balaji Lakshminarayanan and Alexander Pritzel and Charles Blundell",
        "Simple and Scalable Predictive Uncertainty Estimation Using Deep Ensembles",
        "NeurIPS", 2017, lambda config: bool(config.sampling.ensemble),
    ),
    Technique(
        "song2021sde", "Langevin sampler, linear schedule, or likelihood",
        "Yang Song and Jascha Sohl-Dickstein and Diederik P. Kingma and Abhishek Kumar and Stefano Ermon and Ben "
        "Poole",
        "Score-Based Generative Modeling Through Stochastic Differential Equations",
        "ICLR", 2021, lambda config: config.sampling.sampler == "langevin" or config.noise.density == "linear",
    ),
    Technique(
        "yang2023freemask", "masks that disagree with their image, under generate --drop-inconsistent",
        "Lihe Yang and Xiaogang Xu and Bingyi Kang and Yinghuan Shi and Hengshuang Zhao",
        "FreeMask: Synthetic Images with Dense Annotations Make Stronger Segmentation Models", "NeurIPS", 2023,
        lambda config: config.modality == "mask",
    ),
    Technique(
        "ho2022cascaded", "super-resolution in a cascade, noise on its condition",
        "Jonathan Ho and Chitwan Saharia and William Chan and David J. Fleet and Mohammad Norouzi and Tim Salimans",
        "Cascaded Diffusion Models for High Fidelity Image Generation",
        "JMLR 23", 2022, lambda config: config.train.upsample_from is not None,
    ),
    Technique(
        "saharia2021sr3", "small pictures as channels beside the large one",
        "Chitwan Saharia and Jonathan Ho and William Chan and Tim Salimans and David J. Fleet and Mohammad Norouzi",
        "Image Super-Resolution via Iterative Refinement",
        "arXiv:2104.07636", 2021, lambda config: config.train.upsample_from is not None,
    ),
    Technique(
        "meng2022sdedit", "variation of given records",
        "Chenlin Meng and Yutong He and Yang Song and Jiaming Song and Jiajun Wu and Jun-Yan Zhu and Stefano Ermon",
        "SDEdit: Guided Image Synthesis and Editing with Stochastic Differential Equations",
        "ICLR", 2022, _never,
    ),
    Technique(
        "lugmayr2022repaint", "sampler that repeats its steps, imputation",
        "Andreas Lugmayr and Martin Danelljan and Andres Romero and Fisher Yu and Radu Timofte and Luc Van Gool",
        "RePaint: Inpainting Using Denoising Diffusion Probabilistic Models",
        "CVPR", 2022, lambda config: config.sampling.sampler == "repaint",
    ),
    Technique(
        "song2023consistency", "consistency sampling",
        "Yang Song and Prafulla Dhariwal and Mark Chen and Ilya Sutskever",
        "Consistency Models",
        "ICML", 2023, lambda config: config.sampling.sampler == "consistency",
    ),
    Technique(
        "geng2025ect", "consistency tuning",
        "Zhengyang Geng and Ashwini Pokle and William Luo and Justin Lin and J. Zico Kolter",
        "Consistency Models Made Easy",
        "ICLR", 2025, lambda config: config.sampling.sampler == "consistency",
    ),
    Technique(
        "weinberger2009hashing", "the built-in encoder of captions",
        "Kilian Weinberger and Anirban Dasgupta and Josh Attenberg and John Langford and Alex Smola",
        "Feature Hashing for Large Scale Multitask Learning", "ICML", 2009,
        lambda config: config.data.caption_column is not None and not config.data.text_encoder,
    ),
    Technique(
        "reimers2019sbert", "captions by a sentence encoder",
        "Nils Reimers and Iryna Gurevych", "Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks", "EMNLP",
        2019, lambda config: bool(config.data.text_encoder),
    ),
    Technique(
        "tancik2020fourier", "Fourier features of noise levels and continuous conditions",
        "Matthew Tancik and Pratul P. Srinivasan and Ben Mildenhall and others",
        "Fourier Features Let Networks Learn High Frequency Functions in Low Dimensional Domains",
        "NeurIPS", 2020, _always,
    ),
    Technique(
        "saharia2022palette", "conditions aligned with the record",
        "Chitwan Saharia and William Chan and Huiwen Chang and others",
        "Palette: Image-to-Image Diffusion Models",
        "SIGGRAPH", 2022, _never,
    ),
    Technique(
        "grathwohl2019ffjord", "stochastic trace of the likelihood",
        "Will Grathwohl and Ricky T. Q. Chen and Jesse Bettencourt and Ilya Sutskever and David Duvenaud",
        "FFJORD: Free-Form Continuous Dynamics for Scalable Reversible Generative Models",
        "ICLR", 2019, _never,
    ),
    Technique(
        "rozet2024mmps", "reconstruction guidance",
        "François Rozet and Gérôme Andry and François Lanusse and Gilles Louppe",
        "Learning Diffusion Priors from Observations by Expectation Maximization",
        "NeurIPS", 2024, _never,
    ),
    Technique(
        "song2023pigdm", "reconstruction guidance",
        "Jiaming Song and Arash Vahdat and Morteza Mardani and Jan Kautz",
        "Pseudoinverse-Guided Diffusion Models for Inverse Problems",
        "ICLR", 2023, _never,
    ),
    Technique(
        "tieleman2012rmsprop", "optimiser",
        "Tijmen Tieleman and Geoffrey Hinton",
        "Lecture 6.5: RMSProp", "COURSERA, Neural Networks for Machine Learning", 2012,
        lambda config: config.optim.name == "rmsprop",
    ),
    Technique(
        "sutskever2013momentum", "optimiser",
        "Ilya Sutskever and James Martens and George Dahl and Geoffrey Hinton",
        "On the Importance of Initialization and Momentum in Deep Learning", "ICML", 2013,
        lambda config: config.optim.name == "sgd",
    ),
    Technique(
        "hagele2024cooldown", "learning rate with a cooldown",
        "Alexander Hägele and Elie Bakouch and Atli Kosson and Loubna Ben Allal and Leandro Von Werra and Martin Jaggi",
        "Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations", "NeurIPS", 2024,
        lambda config: config.optim.schedule == "cooldown",
    ),
    Technique(
        "goyal2017large", "gradient accumulation",
        "Priya Goyal and Piotr Dollár and Ross Girshick and others",
        "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", "arXiv 1706.02677", 2017,
        lambda config: config.optim.accumulate > 1,
    ),
    Technique(
        "kang2020decoupling", "class-balanced batches",
        "Bingyi Kang and Saining Xie and Marcus Rohrbach and others",
        "Decoupling Representation and Classifier for Long-Tailed Recognition", "ICLR", 2020,
        lambda config: config.data.balance > 0,
    ),
    Technique(
        "rolnick2019replay", "rehearsal of old records",
        "David Rolnick and Arun Ahuja and Jonathan Schwarz and Timothy P. Lillicrap and Greg Wayne",
        "Experience Replay for Continual Learning", "NeurIPS", 2019,
        _never,
    ),
    Technique(
        "ronneberger2015unet", "network",
        "Olaf Ronneberger and Philipp Fischer and Thomas Brox",
        "U-Net: Convolutional Networks for Biomedical Image Segmentation", "MICCAI", 2015,
        lambda config: config.network.name == "unet",
    ),
    Technique(
        "peebles2023dit", "network",
        "William Peebles and Saining Xie", "Scalable Diffusion Models with Transformers", "ICCV", 2023,
        lambda config: config.network.name in ("dit", "grid", "vit"),
    ),
    Technique(
        "nie2023patchtst", "network",
        "Yuqi Nie and Nam H. Nguyen and Phanwadee Sinthong and Jayant Kalagnanam",
        "A Time Series is Worth 64 Words: Long-term Forecasting with Transformers", "ICLR", 2023,
        lambda config: config.network.name == "grid",
    ),
    Technique(
        "su2021rope", "network",
        "Jianlin Su and Yu Lu and Shengfeng Pan and Ahmed Murtadha and Bo Wen and Yunfeng Liu",
        "RoFormer: Enhanced Transformer with Rotary Position Embedding", "Neurocomputing", 2024,
        lambda config: config.network.name == "grid",
    ),
    Technique(
        "tashiro2021csdi", "imputation",
        "Yusuke Tashiro and Jiaming Song and Yang Song and Stefano Ermon",
        "CSDI: Conditional Score-based Diffusion Models for Probabilistic Time Series Imputation", "NeurIPS", 2021,
        lambda config: config.train.context > 0,
    ),
    Technique(
        "bao2023unidiffuser", "imputation",
        "Fan Bao and Shen Nie and Kaiwen Xue and Chongxuan Li and Shi Pu and Yaole Wang and Gang Yue and Yue Cao and "
        "Hang Su and Jun Zhu",
        "One Transformer Fits All Distributions in Multi-Modal Diffusion at Scale", "ICML", 2023,
        lambda config: config.noise.independent > 0 or config.noise.clean > 0,
    ),
    Technique(
        "loshchilov2019adamw", "optimiser",
        "Ilya Loshchilov and Frank Hutter", "Decoupled Weight Decay Regularization", "ICLR", 2019,
        lambda config: config.optim.name == "adamw",
    ),
    Technique(
        "kingma2015adam", "optimiser",
        "Diederik P. Kingma and Jimmy Ba", "Adam: A Method for Stochastic Optimization", "ICLR", 2015,
        lambda config: config.optim.name == "adam",
    ),
    Technique(
        "jordan2024muon", "optimiser",
        "Keller Jordan and Yuchen Jin and Vlado Boza and Jiacheng You and Franz Cesista and Laker Newhouse and others",
        "Muon: An Optimizer for Hidden Layers in Neural Networks", "kellerjordan.github.io/posts/muon", 2024,
        lambda config: config.optim.name == "muon",
    ),
    Technique(
        "you2020lamb", "optimiser",
        "Yang You and Jing Li and Sashank Reddi and Jonathan Hseu and Sanjiv Kumar and others",
        "Large Batch Optimization for Deep Learning: Training BERT in 76 Minutes", "ICLR", 2020,
        lambda config: config.optim.name == "lamb",
    ),
    Technique(
        "loshchilov2017sgdr", "cosine learning rate",
        "Ilya Loshchilov and Frank Hutter", "SGDR: Stochastic Gradient Descent with Warm Restarts", "ICLR", 2017,
        lambda config: config.optim.schedule == "cosine",
    ),
    Technique(
        "mccandlish2018noise", "gradient noise scale",
        "Sam McCandlish and Jared Kaplan and Dario Amodei and OpenAI Dota Team",
        "An Empirical Model of Large-Batch Training", "arXiv 1812.06162", 2018, _always,
    ),
    Technique(
        "micikevicius2018mixed", "half precision with loss scaling",
        "Paulius Micikevicius and Sharan Narang and Jonah Alben and Gregory Diamos and Erich Elsen and others",
        "Mixed Precision Training", "ICLR", 2018, lambda config: config.train.precision == "fp16",
    ),
    Technique(
        "hu2022lora", "low-rank adapters",
        "Edward J. Hu and Yelong Shen and Phillip Wallis and Zeyuan Allen-Zhu and Yuanzhi Li and others",
        "LoRA: Low-Rank Adaptation of Large Language Models", "ICLR", 2022,
        lambda config: config.train.lora_rank > 0,
    ),
    Technique(
        "karras2020ada", "non-leaky augmentation",
        "Tero Karras and Miika Aittala and Janne Hellsten and Samuli Laine and Jaakko Lehtinen and Timo Aila",
        "Training Generative Adversarial Networks with Limited Data", "NeurIPS", 2020,
        lambda config: config.data.augment > 0,
    ),
    Technique(
        "kim2024curriculum", "curriculum over noise levels",
        "Jin-Young Kim and Hyojun Go and Soonwoo Kwon and Hyun-Gyoon Kim",
        "Denoising Task Difficulty-based Curriculum for Training Diffusion Models", "arXiv 2403.10348", 2024,
        lambda config: config.train.noise_curriculum > 0,
    ),
    Technique(
        "bengio2009curriculum", "curriculum over records",
        "Yoshua Bengio and Jérôme Louradour and Ronan Collobert and Jason Weston",
        "Curriculum Learning", "ICML", 2009, lambda config: config.train.data_curriculum > 0,
    ),
    Technique(
        "salmon2011philox", "counter-based random numbers: same seed, same data set",
        "John K. Salmon and Mark A. Moraes and Ron O. Dror and David E. Shaw",
        "Parallel Random Numbers: As Easy as 1, 2, 3", "SC", 2011, _always,
    ),
    Technique(
        "dempster2021minirocket", "judge of time series",
        "Angus Dempster and Daniel F. Schmidt and Geoffrey I. Webb",
        "MiniRocket: A Very Fast (Almost) Deterministic Transform for Time Series Classification", "KDD", 2021,
        lambda config: config.modality == "timeseries",
    ),
    Technique(
        "yue2022ts2vec", "encoder of Context-FID in the report on series",
        "Zhihan Yue and Yujing Wang and Juanyong Duan and others",
        "TS2Vec: Towards Universal Representation of Time Series", "AAAI", 2022,
        lambda config: config.modality == "timeseries",
    ),
    Technique(
        "jeha2022psagan", "Context-FID in the report on series",
        "Paul Jeha and Michael Bohlke-Schneider and Pedro Mercado and others",
        "PSA-GAN: Progressive Self Attention GANs for Synthetic Time Series", "ICLR", 2022,
        lambda config: config.modality == "timeseries",
    ),
    Technique(
        "yoon2019timegan", "discriminative and predictive score in the report on series",
        "Jinsung Yoon and Daniel Jarrett and Mihaela van der Schaar",
        "Time-series Generative Adversarial Networks", "NeurIPS", 2019,
        lambda config: config.modality == "timeseries",
    ),
    Technique(
        "liao2020sigcwgan", "correlational score in the report on series",
        "Shujian Liao and Hao Ni and Lukasz Szpruch and others",
        "Conditional Sig-Wasserstein GANs for Time Series Generation", "arXiv 2006.05421", 2020,
        lambda config: config.modality == "timeseries",
    ),
    Technique(
        "kynkaanniemi2019precision", "precision and recall in the report",
        "Tuomas Kynkäänniemi and Tero Karras and Samuli Laine and Jaakko Lehtinen and Timo Aila",
        "Improved Precision and Recall Metric for Assessing Generative Models", "NeurIPS", 2019, _always,
    ),
    Technique(
        "lopezpaz2017c2st", "classifier two-sample test in the report",
        "David Lopez-Paz and Maxime Oquab", "Revisiting Classifier Two-Sample Tests", "ICLR", 2017, _always,
    ),
    Technique(
        "bates2023conformal", "conformal p-values of anomaly scores",
        "Stephen Bates and Emmanuel Candès and Lihua Lei and Yaniv Romano and Matteo Sesia",
        "Testing for Outliers with Conformal p-values", "Annals of Statistics", 2023, _always,
    ),
    Technique(
        "benjamini1995fdr", "flags among the anomaly scores",
        "Yoav Benjamini and Yosef Hochberg",
        "Controlling the False Discovery Rate: A Practical and Powerful Approach to Multiple Testing",
        "Journal of the Royal Statistical Society B", 1995, _always,
    ),
)  # fmt: skip


def used_by(config: RunConfig) -> list[Technique]:
    """The techniques that a run of this configuration uses, in the order of the table."""
    return [technique for technique in TECHNIQUES if technique.used(config)]
