"""Papers behind what happens around training: checked data, starting points, watching, tuning, privacy."""

from __future__ import annotations

from synthgen.cli.citation import Technique, always, never

__all__ = ["WATCHING"]

WATCHING: tuple[Technique, ...] = (
    Technique(
        "kapoor2023leakage", "report on the data before training: duplicates, leakage between splits",
        "Sayash Kapoor and Arvind Narayanan",
        "Leakage and the Reproducibility Crisis in Machine-Learning-Based Science", "Patterns", 2023, always,
    ),
    Technique(
        "lecun1998backprop", "normalisation of the data",
        "Yann LeCun and Léon Bottou and Genevieve B. Orr and Klaus-Robert Müller",
        "Efficient BackProp", "Neural Networks: Tricks of the Trade", 1998, always,
    ),
    Technique(
        "pascanu2013clipping", "gradient clipping",
        "Razvan Pascanu and Tomas Mikolov and Yoshua Bengio",
        "On the Difficulty of Training Recurrent Neural Networks", "ICML", 2013, always,
    ),
    Technique(
        "srivastava2014dropout", "dropout",
        "Nitish Srivastava and Geoffrey Hinton and Alex Krizhevsky and Ilya Sutskever and Ruslan Salakhutdinov",
        "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", "JMLR", 2014,
        lambda config: config.network.dropout > 0,
    ),
    Technique(
        "yosinski2014transfer", "another run's weights as a start, some of them frozen",
        "Jason Yosinski and Jeff Clune and Yoshua Bengio and Hod Lipson",
        "How Transferable Are Features in Deep Neural Networks?", "NeurIPS", 2014,
        lambda config: bool(config.train.freeze), shown=lambda shown: shown.started,
    ),
    Technique(
        "zajac2023continual", "rehearsal in diffusion models",
        "Michał Zając and Kamil Deja and Anna Kuzina and Jakub M. Tomczak and Tomasz Trzciński and Florian Shkurti and "
        "Piotr Miłoś",
        "Exploring Continual Learning of Diffusion Models", "arXiv 2303.15342", 2023,
        never, shown=lambda shown: shown.rehearsed,
    ),
    Technique(
        "prechelt1998early", "end of training when the held-out loss has turned up",
        "Lutz Prechelt", "Early Stopping - But When?", "Neural Networks: Tricks of the Trade", 1998,
        lambda config: config.train.early_stop,
    ),
    Technique(
        "favero2025bigger", "early stopping, share of samples that copy training records",
        "Alessandro Favero and Antonio Sclocchi and Matthieu Wyart",
        "Bigger Isn't Always Memorizing: Early Stopping Overparameterized Diffusion Models", "arXiv 2505.16959", 2025,
        lambda config: config.train.early_stop or config.train.sample_checks > 0,
    ),
    Technique(
        "odena2017acgan", "variety of samples within a class",
        "Augustus Odena and Christopher Olah and Jonathon Shlens",
        "Conditional Image Synthesis with Auxiliary Classifier GANs", "ICML", 2017,
        lambda config: config.train.sample_checks > 0,
    ),
    Technique(
        "theis2016note", "pictures of samples while training, and what they do not show",
        "Lucas Theis and Aäron van den Oord and Matthias Bethge",
        "A Note on the Evaluation of Generative Models", "ICLR", 2016, lambda config: config.train.sample_grids,
    ),
    Technique(
        "kumar2025zclip", "z-scores of the gradient's norm",
        "Abhay Kumar and Louis Owen and Nilabhra Roy Chowdhury and Fabian Güra",
        "ZClip: Adaptive Spike Mitigation for LLM Pre-Training", "arXiv 2504.02507", 2025, always,
    ),
    Technique(
        "chowdhery2023palm", "return to earlier weights after bad steps",
        "Aakanksha Chowdhery and Sharan Narang and Jacob Devlin and others",
        "PaLM: Scaling Language Modeling with Pathways", "JMLR", 2023, always,
    ),
    Technique(
        "bergstra2011tpe", "search of settings by synthgen tune",
        "James Bergstra and Rémi Bardenet and Yoshua Bengio and Balázs Kégl",
        "Algorithms for Hyper-Parameter Optimization", "NeurIPS", 2011, never,
    ),
    Technique(
        "golovin2017vizier", "median rule, by which synthgen tune breaks trials off",
        "Daniel Golovin and Benjamin Solnik and Subhodeep Moitra and Greg Kochanski and John Karro and D. Sculley",
        "Google Vizier: A Service for Black-Box Optimization", "KDD", 2017, never,
    ),
    Technique(
        "abadi2016dpsgd", "differentially private training",
        "Martín Abadi and Andy Chu and Ian Goodfellow and H. Brendan McMahan and Ilya Mironov and Kunal Talwar and "
        "Li Zhang",
        "Deep Learning with Differential Privacy", "CCS", 2016, lambda config: config.train.dp_epsilon is not None,
    ),
    Technique(
        "mironov2019sampled", "epsilon of differentially private training",
        "Ilya Mironov and Kunal Talwar and Li Zhang",
        "Rényi Differential Privacy of the Sampled Gaussian Mechanism", "arXiv 1908.10530", 2019,
        lambda config: config.train.dp_epsilon is not None,
    ),
    Technique(
        "dockhorn2023dpdm", "differentially private training of diffusion models",
        "Tim Dockhorn and Tianshi Cao and Arash Vahdat and Karsten Kreis",
        "Differentially Private Diffusion Models", "TMLR", 2023, lambda config: config.train.dp_epsilon is not None,
    ),
)  # fmt: skip
