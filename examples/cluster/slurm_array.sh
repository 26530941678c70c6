#!/bin/bash
# Scenes on a SLURM cluster, as an array of tasks that each compute their share:
#   sbatch --array=0-7 slurm_array.sh /data/scenes /data/found
#   sbatch --dependency=afterany:JOB slurm_array.sh --merge /data/found   # when all tasks have ended
#
# The same command again goes on with the scenes that are not done. Exit code 3 of a task says that some of its scenes
# failed; their reasons are in /data/found/failures.csv.
#SBATCH --job-name=geoships
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=04:00:00
#SBATCH --requeue
set -euo pipefail

if [ "${1:-}" = --merge ]; then
    exec srun --ntasks=1 geoships merge-runs "$2" --out "$2/all.gpkg" --dedupe
fi
scenes=${1:?usage: sbatch --array=0-7 slurm_array.sh SCENES OUT}
out=${2:?usage: sbatch --array=0-7 slurm_array.sh SCENES OUT}

# An array may begin at any number (--array=1-8). "--shard auto" computes the same.
part=$((SLURM_ARRAY_TASK_ID - SLURM_ARRAY_TASK_MIN + 1))
count=$((SLURM_ARRAY_TASK_MAX - SLURM_ARRAY_TASK_MIN + 1))
if [ "$count" -ne "$SLURM_ARRAY_TASK_COUNT" ]; then
    echo "an array with gaps or steps would leave scenes out: use one such as --array=0-7" >&2
    exit 2
fi
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
exec srun --ntasks=1 geoships predict "$scenes" --out-dir "$out" --shard "$part/$count" --scene-timeout 3600
