"""Papers behind the judges, the metrics of the report and the anomaly scores."""

from __future__ import annotations

from synthgen.cli.citation import Technique, always

__all__ = ["EVALUATION"]

EVALUATION: tuple[Technique, ...] = (
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
        "Improved Precision and Recall Metric for Assessing Generative Models", "NeurIPS", 2019, always,
    ),
    Technique(
        "lopezpaz2017c2st", "classifier two-sample test in the report",
        "David Lopez-Paz and Maxime Oquab", "Revisiting Classifier Two-Sample Tests", "ICLR", 2017, always,
    ),
    Technique(
        "heusel2017fid", "Frechet distance in the report",
        "Martin Heusel and Hubert Ramsauer and Thomas Unterthiner and Bernhard Nessler and Sepp Hochreiter",
        "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", "NeurIPS", 2017, always,
    ),
    Technique(
        "esteban2017tstr", "training on synthetic, testing on real records in the report",
        "Cristóbal Esteban and Stephanie L. Hyland and Gunnar Rätsch",
        "Real-valued (Medical) Time Series Generation with Recurrent Conditional GANs", "arXiv 1706.02633", 2017,
        always,
    ),
    Technique(
        "naeem2020density", "density and coverage in the report",
        "Muhammad Ferjad Naeem and Seong Joon Oh and Youngjung Uh and Yunjey Choi and Jaejun Yoo",
        "Reliable Fidelity and Diversity Metrics for Generative Models", "ICML", 2020, always,
    ),
    Technique(
        "friedman2023vendi", "Vendi score in the report",
        "Dan Friedman and Adji Bousso Dieng",
        "The Vendi Score: A Diversity Evaluation Metric for Machine Learning", "TMLR", 2023, always,
    ),
    Technique(
        "yu2016orthogonal", "orthogonal noises under the denoising anomaly score",
        "Felix X. Yu and Ananda Theertha Suresh and Krzysztof Choromanski and Daniel Holtmann-Rice and Sanjiv Kumar",
        "Orthogonal Random Features", "NeurIPS", 2016, always,
    ),
    Technique(
        "bates2023conformal", "conformal p-values of anomaly scores",
        "Stephen Bates and Emmanuel Candès and Lihua Lei and Yaniv Romano and Matteo Sesia",
        "Testing for Outliers with Conformal p-values", "Annals of Statistics", 2023, always,
    ),
    Technique(
        "benjamini1995fdr", "flags among the anomaly scores",
        "Yoav Benjamini and Yosef Hochberg",
        "Controlling the False Discovery Rate: A Practical and Powerful Approach to Multiple Testing",
        "Journal of the Royal Statistical Society B", 1995, always,
    ),
)  # fmt: skip
