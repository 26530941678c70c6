# geoships with all that training needs, for NVIDIA GPUs and processors. From the project's root:
#   docker build --file dockerfiles/train.Dockerfile --tag geoships-train .
#   docker run --rm --gpus all --shm-size 8g --volume "$PWD:/data" --user "$(id -u):$(id -g)" \
#       geoships-train train --config own-data.yaml --out runs/mine
# The driver and the NVIDIA Container Toolkit come from the host, CUDA with PyTorch's wheels. Readers of training data
# hand their batches over in shared memory, of which a container has 64 MB without --shm-size.
#
# Build arguments:
#   TORCH_BACKEND      which of PyTorch's builds uv installs: one of CUDA such as cu128; without it the package index's
#                      own, which on Linux has CUDA
#   UV_DEFAULT_INDEX   address of another package index, such as a mirror; without it uv takes its default
FROM python:3.12.14-slim-bookworm@sha256:392307d22300de8b5986851a12d9176dfc0fc073e65bf6523ebd7dcbeb23564e AS build

ARG UV_VERSION=0.13.9
ARG UV_DEFAULT_INDEX
ARG TORCH_BACKEND
ENV UV_CACHE_DIR=/var/cache/uv UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never

RUN pip install --no-cache-dir "uv==${UV_VERSION}"
WORKDIR /app

# What geoships needs comes first: this layer is kept until pyproject.toml changes.
COPY pyproject.toml ./
RUN --mount=type=cache,target=/var/cache/uv \
    uv venv /opt/geoships && \
    uv pip compile --quiet --python /opt/geoships --extra data --extra onnx --extra quantize --extra stac \
        --extra train --extra view \
        ${TORCH_BACKEND:+--torch-backend "$TORCH_BACKEND"} --output-file requirements.txt pyproject.toml && \
    uv pip sync --python /opt/geoships ${TORCH_BACKEND:+--torch-backend "$TORCH_BACKEND"} requirements.txt

COPY README.md LICENSE ./
COPY geoships geoships
COPY cli cli
RUN --mount=type=cache,target=/var/cache/uv \
    uv build --wheel --out-dir dist && \
    uv pip install --python /opt/geoships --no-deps dist/*.whl

FROM python:3.12.14-slim-bookworm@sha256:392307d22300de8b5986851a12d9176dfc0fc073e65bf6523ebd7dcbeb23564e

LABEL org.opencontainers.image.title="geoships-train" \
      org.opencontainers.image.description="Trains, judges and exports the models of geoships" \
      org.opencontainers.image.licenses="MIT"

# GDAL, inside rasterio's wheel, takes expat from the system. Debian drops old versions, so none is pinned.
# hadolint ignore=DL3008
RUN apt-get update && \
    apt-get install --yes --no-install-recommends libexpat1 && \
    rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 1000 --user-group geoships

COPY --from=build /opt/geoships /opt/geoships
# Caches that any user may write, since --user names one without a home.
ENV PATH="/opt/geoships/bin:$PATH" MPLCONFIGDIR=/tmp/matplotlib XDG_CACHE_HOME=/tmp/cache

USER 1000:1000
WORKDIR /data
ENTRYPOINT ["geoships"]
CMD ["--help"]
