"""Examples below each command's `--help`: what people mostly want, ready to copy. A test parses every one of them."""

from __future__ import annotations

__all__ = ["EXAMPLES", "epilog"]

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "demo": (
        ("synthgen demo", "all three modalities, offline, with a report each"),
        ("synthgen demo --modality image", "images only"),
    ),
    "doctor": (
        ("synthgen doctor", "is this machine ready; paste the block into a bug report"),
        ("synthgen doctor --json", "the same for programs"),
    ),
    "train": (
        ("synthgen train --modality image", "on the embedded demo set"),
        (
            "synthgen train --modality timeseries --data sensors.csv --label-column state --minutes 10",
            "your own series",
        ),
        ("synthgen train --modality image --data scans/ --explain", "what would be chosen, why, and how long"),
        ("synthgen train --config run.toml --set optim.lr=5e-4", "from a file, one key changed"),
    ),
    "generate": (
        ("synthgen generate --n 10000 --label", "every class equally, from the newest run"),
        ("synthgen generate --n 500 --label crack --guidance 1.5 --seed 7", "one class, sharper, another draw"),
        ("synthgen generate --count cat=300 --count dog=50 --format folder --out pets", "so many of each, as folders"),
        ("synthgen generate --masks drawn/ --n 500", "images to your masks, going round (modality mask)"),
        ("synthgen generate --from train/ --strength 0.4", "a variation of each of your records"),
        ("synthgen generate --n 200 --condition sex=female --condition age=30..60", "attributes of your own data"),
        ("synthgen generate --n 1000000 --workers 4 --dry-run", "how large and how long, before it is done"),
    ),
    "label": (
        ("synthgen label scans/ --run runs/mask-shapes-1", "a mask to each image, with the margin of each pixel"),
        ("synthgen label scans/ --ignore-below 0.5 --out drafts", "255 where the model is not sure"),
    ),
    "evaluate": (
        ("synthgen evaluate", "the newest run against its own hold-out"),
        ("synthgen evaluate --run runs/a --synthetic out --real other_scans/", "against other real data"),
        ("synthgen evaluate --fail-under tstr_ratio=0.9", "a gate for CI: exit code 3 when it is not met"),
    ),
    "score": (
        ("synthgen score --data new_scans/", "calibrated anomaly scores, flags, heat maps"),
        ("synthgen score --data new.csv --q 0.05 --anomaly-label fault", "at 5 % false discoveries, with AUROC"),
    ),
    "augment": (
        ("synthgen augment --data train/ --balance", "fill every class up to the largest"),
        ("synthgen augment --data train/ --ratio 0.5 --out mixed", "one synthetic record for two real ones"),
    ),
    "impute": (
        ("synthgen impute sensors.csv", "gaps filled by one draw, in the same layout"),
        ("synthgen impute sensors.csv --samples 50 --out filled.csv", "the median, and quantiles beside it"),
    ),
    "forecast": (
        ("synthgen forecast sensors.csv --horizon 24", "a hundred futures of each series"),
        ("synthgen forecast sensors.csv --horizon 24 --quantiles 0.1,0.5,0.9", "three quantiles of them"),
    ),
    "extend": (
        ("synthgen extend --n 8760 --start 2025-01-01 --freq h", "a year of hours from nothing"),
        ("synthgen extend meter.csv --n 1000 --out longer.parquet", "on from one series, with its time stamps"),
    ),
    "inspect": (
        ("synthgen inspect sensors.csv", "what is understood of a file, in every modality"),
        ("synthgen inspect scans/ --modality image --json", "in one, for programs"),
    ),
    "list": (
        ("synthgen list samplers", "what --sampler takes"),
        ("synthgen list datasets --modality timeseries", "demo sets of one modality"),
    ),
    "cite": (
        ("synthgen cite", "the papers behind the newest run"),
        ("synthgen cite --data synthetic/digits --bibtex", "behind a data set, with the sampler it was made with"),
    ),
}
"""Command -> (command line, what it does)."""


def epilog(command: str) -> str | None:
    """The examples as text for Typer, which puts each paragraph on a line of its own; None where there are none."""
    examples = EXAMPLES.get(command)
    if not examples:
        return None
    return "\n\n".join(["Examples:", *(f"  {line}   # {purpose}" for line, purpose in examples)])
