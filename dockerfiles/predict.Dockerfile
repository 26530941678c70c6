# geoships on a CPU, without PyTorch: OpenVINO computes the installed models. From the project's root:
#   docker build --file dockerfiles/predict.Dockerfile --tag geoships .
#   docker run --rm --volume "$PWD:/data" --user "$(id -u):$(id -g)" geoships predict scene.tif --out ships.geojson
# It writes GeoJSON and rasters; what else it leaves out is in requirements/lean.txt.
#
# Build arguments:
#   MORE               packages besides, such as "pyogrio pyarrow" for GeoPackage and GeoParquet
#   UV_DEFAULT_INDEX   address of another package index, such as a mirror; without it uv takes its default
FROM python:3.12.14-slim-bookworm@sha256:392307d22300de8b5986851a12d9176dfc0fc073e65bf6523ebd7dcbeb23564e AS build

ARG UV_VERSION=0.13.9
ARG UV_DEFAULT_INDEX
ARG MORE
ENV UV_CACHE_DIR=/var/cache/uv UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never

RUN pip install --no-cache-dir "uv==${UV_VERSION}"
WORKDIR /app

# What geoships needs comes first: this layer is kept until the list changes.
COPY requirements/lean.txt requirements/lean.txt
RUN --mount=type=cache,target=/var/cache/uv \
    uv venv /opt/geoships && \
    uv pip install --python /opt/geoships --no-deps --requirement requirements/lean.txt ${MORE}

COPY pyproject.toml README.md LICENSE ./
COPY geoships geoships
COPY cli cli
COPY scripts/trim_environment.py scripts/trim_environment.py
RUN --mount=type=cache,target=/var/cache/uv \
    uv build --wheel --out-dir dist && \
    uv pip install --python /opt/geoships --no-deps dist/*.whl && \
    python scripts/trim_environment.py /opt/geoships

# No compiler, no uv and no sources from here on.
FROM python:3.12.14-slim-bookworm@sha256:392307d22300de8b5986851a12d9176dfc0fc073e65bf6523ebd7dcbeb23564e

LABEL org.opencontainers.image.title="geoships" \
      org.opencontainers.image.description="Finds ships in satellite scenes of any size" \
      org.opencontainers.image.licenses="MIT"

# GDAL, inside rasterio's wheel, takes expat from the system. Debian drops old versions, so none is pinned.
# hadolint ignore=DL3008
RUN apt-get update && \
    apt-get install --yes --no-install-recommends libexpat1 && \
    rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 1000 --user-group geoships

COPY --from=build /opt/geoships /opt/geoships
# Caches that any user may write, since --user names one without a home.
ENV PATH="/opt/geoships/bin:$PATH" XDG_CACHE_HOME=/tmp/cache

USER 1000:1000
WORKDIR /data
ENTRYPOINT ["geoships"]
CMD ["--help"]
