#!/usr/bin/env bash
#SBATCH --job-name=synthgen
#SBATCH --array=0-15
#SBATCH --cpus-per-task=2
#SBATCH --requeue
# One data set by a SLURM array: every job makes each sixteenth shard of the same plan, job 0 waits for the others and
# writes the card and the manifest. A job that was lost is submitted again; the same command again does what is missing.
#
#   sbatch examples/cluster/slurm.sh runs/image-digits-1 1000000 /shared/digits
set -eu
run=$1 n=$2 out=$3 shards=${4:-160}
export RANK="$SLURM_ARRAY_TASK_ID" WORLD_SIZE="$SLURM_ARRAY_TASK_COUNT" OMP_NUM_THREADS="${SLURM_CPUS_PER_TASK:-2}"
exec synthgen generate --run "$run" --n "$n" --label --out "$out" --shards "$shards" --executor torchrun
