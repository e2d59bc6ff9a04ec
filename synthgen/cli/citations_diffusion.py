"""Papers behind objectives, noise, conditions, guidance and sampling."""

from __future__ import annotations

from synthgen.cli.citation import Technique, always, never

__all__ = ["DIFFUSION"]

DIFFUSION: tuple[Technique, ...] = (
    Technique(
        "karras2022edm", "preconditioning, noise levels, Heun sampler",
        "Tero Karras and Miika Aittala and Timo Aila and Samuli Laine",
        "Elucidating the Design Space of Diffusion-Based Generative Models", "NeurIPS", 2022, always,
    ),
    Technique(
        "karras2024edm2", "learned uncertainty weight and power-function EMA",
        "Tero Karras and Miika Aittala and Jaakko Lehtinen and Janne Hellsten and Timo Aila and Samuli Laine",
        "Analyzing and Improving the Training Dynamics of Diffusion Models", "CVPR", 2024, always,
    ),
    Technique(
        "kendall2018uncertainty", "learned uncertainty weight for each class",
        "Alex Kendall and Yarin Gal and Roberto Cipolla",
        "Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and Semantics", "CVPR", 2018,
        lambda config: config.loss.learns_uncertainty and config.loss.classwise,
    ),
    Technique(
        "wang2024gaussian", "the Gaussian part of the denoiser, built in",
        "Binxu Wang and John J. Vastola",
        "The Unreasonable Effectiveness of Gaussian Score Approximation for Diffusion Models and its Applications",
        "arXiv 2412.09726", 2024, lambda config: config.noise.covariance,
    ),
    Technique(
        "holschneider1989atrous", "the undecimated wavelet transform read beside x",
        "Matthias Holschneider and Richard Kronland-Martinet and Jean Morlet and Philippe Tchamitchian",
        "A Real-Time Algorithm for Signal Analysis with the Help of the Wavelet Transform",
        "Wavelets: Time-Frequency Methods and Phase Space", 1989, lambda config: config.noise.details > 0,
    ),
    Technique(
        "starck1998noise", "noise told from signal by the size of wavelet coefficients",
        "Jean-Luc Starck and Fionn Murtagh",
        "Automatic Noise Estimation from the Multiresolution Support",
        "Publications of the Astronomical Society of the Pacific", 1998, lambda config: config.noise.details > 0,
    ),
    Technique(
        "ho2022guidance", "condition dropout and classifier-free guidance",
        "Jonathan Ho and Tim Salimans", "Classifier-Free Diffusion Guidance", "arXiv 2207.12598", 2022, always,
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
        "Neural Computation", 2011, always,
    ),
    Technique(
        "song2020improved", "largest noise level from the distances in the data",
        "Yang Song and Stefano Ermon",
        "Improved Techniques for Training Score-Based Generative Models",
        "NeurIPS", 2020, always,
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
        "yang2023freemask", "records that disagree with their label or mask, under generate --drop-inconsistent",
        "Lihe Yang and Xiaogang Xu and Bingyi Kang and Yinghuan Shi and Hengshuang Zhao",
        "FreeMask: Synthetic Images with Dense Annotations Make Stronger Segmentation Models", "NeurIPS", 2023,
        lambda config: config.modality == "mask", shown=lambda shown: shown.vetted,
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
        "ICLR", 2022, never, shown=lambda shown: shown.use == "variation",
    ),
    Technique(
        "lugmayr2022repaint", "sampler that repeats its steps, imputation",
        "Andreas Lugmayr and Martin Danelljan and Andres Romero and Fisher Yu and Radu Timofte and Luc Van Gool",
        "RePaint: Inpainting Using Denoising Diffusion Probabilistic Models",
        "CVPR", 2022, lambda config: config.sampling.sampler == "repaint",
        shown=lambda shown: shown.method == "replaced",
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
        "NeurIPS", 2020, always,
    ),
    Technique(
        "saharia2022palette", "conditions aligned with the record",
        "Chitwan Saharia and William Chan and Huiwen Chang and others",
        "Palette: Image-to-Image Diffusion Models",
        "SIGGRAPH", 2022, lambda config: config.train.context > 0, shown=lambda shown: shown.dense,
    ),
    Technique(
        "grathwohl2019ffjord", "stochastic trace of the likelihood",
        "Will Grathwohl and Ricky T. Q. Chen and Jesse Bettencourt and Ilya Sutskever and David Duvenaud",
        "FFJORD: Free-Form Continuous Dynamics for Scalable Reversible Generative Models",
        "ICLR", 2019, never,
    ),
    Technique(
        "rozet2024mmps", "reconstruction guidance",
        "François Rozet and Gérôme Andry and François Lanusse and Gilles Louppe",
        "Learning Diffusion Priors from Observations by Expectation Maximization",
        "NeurIPS", 2024, never, shown=lambda shown: shown.method == "guided",
    ),
    Technique(
        "song2023pigdm", "reconstruction guidance",
        "Jiaming Song and Arash Vahdat and Morteza Mardani and Jan Kautz",
        "Pseudoinverse-Guided Diffusion Models for Inverse Problems",
        "ICLR", 2023, never, shown=lambda shown: shown.method == "guided",
    ),
)  # fmt: skip
