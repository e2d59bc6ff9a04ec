#!/bin/sh
# From nothing to a labelled synthetic data set, a report and anomaly scores, on the embedded digits.
#
#     examples/quickstart.sh [DIRECTORY]
#
# N is the number of synthetic records; SYNTHGEN_SET changes any configuration key ("train.samples=2000" for a dry look).
set -eu

place=${1:-quickstart}
n=${N:-1400}

synthgen train --modality image --minutes 1 --out "$place/run"
synthgen generate --run "$place/run" --n "$n" --label --out "$place/data"
synthgen evaluate --run "$place/run" --synthetic "$place/data" --out "$place/report"
synthgen score --run "$place/run" --data digits --out "$place/scores"

echo "Open $place/report/report.html"
