"""All that a plugin may import at its top level: the nouns of the contract, as plain data and protocols.

Nothing here imports torch, pandas, pyarrow, scikit-learn or matplotlib, so a plugin's entry module stays cheap to load.
A plugin's hooks return `Spec` records; what a `target` names is imported on first use and may then import what it
likes, the public modules of synthgen (`synthgen.data`, `synthgen.nn`, `synthgen.io`, ...) included.

Plugins import these names from `synthgen.api` alone; which file below defines one may change.

Shapes: `N` records, `C` channels, `L` time steps, `H, W` image size, `K` classes; `B` is a batch of tensors.
"""

from __future__ import annotations

from synthgen.api.completion import Completion, Filler
from synthgen.api.drawing import Drawing, Palette
from synthgen.api.metric import Metric
from synthgen.api.modality import AgreementJudge, Codec, Embedder, Judge, Modality, Outcome, Shares
from synthgen.api.records import Batch, Records
from synthgen.api.schema import Attribute, AttributeKind, Channel, ChannelKind, Condition, Schema
from synthgen.api.spec import ShardEvent, Spec, TrainEvent, hookimpl
from synthgen.api.storage import ROW_COLUMNS, Reader, Source, Writer, WrittenFile
from synthgen.api.timeline import Timelines

__all__ = [
    "API_VERSION",
    "ROW_COLUMNS",
    "AgreementJudge",
    "Attribute",
    "AttributeKind",
    "Batch",
    "Channel",
    "ChannelKind",
    "Codec",
    "Completion",
    "Condition",
    "Drawing",
    "Embedder",
    "Filler",
    "Judge",
    "Metric",
    "Modality",
    "Outcome",
    "Palette",
    "Reader",
    "Records",
    "Schema",
    "ShardEvent",
    "Shares",
    "Source",
    "Spec",
    "Timelines",
    "TrainEvent",
    "Writer",
    "WrittenFile",
    "hookimpl",
]

API_VERSION = "1.3"
"""Version of the contract, `major.minor`. A minor version adds; a major one may take away, after warnings."""
