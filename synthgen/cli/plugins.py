"""`synthgen plugins`: what is installed beside synthgen, and what is wrong with it.

`--json`: a list of `{"name", "distribution", "version", "state", "reason", "hooks"}`, the state being `active`,
`disabled` or `failed`.
"""

from __future__ import annotations

from synthgen.cli.console import Console, reporting
from synthgen.cli.table import table

__all__ = ["plugins"]


@reporting
def plugins(console: Console) -> None:
    """List the plugins, with the reason where one failed.

    SYNTHGEN_PLUGINS=a,b loads only those, SYNTHGEN_DISABLE_PLUGINS=a leaves
    one out, SYNTHGEN_STRICT_PLUGINS=1 makes a failure an error.
    """
    from synthgen.plugins import plugin_host

    statuses = plugin_host().statuses
    rows = [
        (status.name, status.state, f"{status.distribution} {status.version}".strip(), ", ".join(status.hooks))
        for status in statuses
    ]
    reasons = [f"{status.name}: {status.reason}" for status in statuses if status.reason]
    text = table(("plugin", "state", "distribution", "hooks"), rows) if rows else "no plugins"
    console.result("\n".join([text, *reasons]), plugin_host().as_json())
