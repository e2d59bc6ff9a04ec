"""Papers behind optimisation, the data side and networks."""

from __future__ import annotations

from synthgen.cli.citation import Technique, always, never

__all__ = ["TRAINING"]

TRAINING: tuple[Technique, ...] = (
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
        "hagele2024cooldown", "constant learning rate, with a cooldown or without",
        "Alexander Hägele and Elie Bakouch and Atli Kosson and Loubna Ben Allal and Leandro Von Werra and Martin Jaggi",
        "Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations", "NeurIPS", 2024,
        lambda config: config.optim.schedule != "cosine",
    ),
    Technique(
        "schaipp2025benchmark", "optimiser, fall of the learning rate to zero",
        "Fabian Schaipp",
        "Optimization Benchmark for Diffusion Models on Dynamical Systems", "arXiv 2510.19376", 2025,
        lambda config: config.optim.name == "muon" or config.optim.schedule == "cooldown",
    ),
    Technique(
        "goyal2017large", "warm-up of the learning rate, gradient accumulation",
        "Priya Goyal and Piotr Dollár and Ross Girshick and others",
        "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", "arXiv 1706.02677", 2017,
        lambda config: config.optim.accumulate > 1 or config.optim.warmup > 0,
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
        never, shown=lambda shown: shown.rehearsed,
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
        "liu2025muon", "optimiser: length of Muon's step",
        "Jingyuan Liu and Jianlin Su and Xingcheng Yao and others",
        "Muon is Scalable for LLM Training", "arXiv 2502.16982", 2025, lambda config: config.optim.name == "muon",
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
        "An Empirical Model of Large-Batch Training", "arXiv 1812.06162", 2018, always,
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
        "platanios2019competence", "growth of the curriculum over records",
        "Emmanouil Antonios Platanios and Otilia Stretcu and Graham Neubig and Barnabás Póczos and Tom M. Mitchell",
        "Competence-based Curriculum Learning for Neural Machine Translation", "NAACL", 2019,
        lambda config: config.train.data_curriculum > 0,
    ),
    Technique(
        "salmon2011philox", "counter-based random numbers: same seed, same data set",
        "John K. Salmon and Mark A. Moraes and Ron O. Dror and David E. Shaw",
        "Parallel Random Numbers: As Easy as 1, 2, 3", "SC", 2011, always,
    ),
)  # fmt: skip
