# geoships as a service on a CPU: the map page, the API and workers, without PyTorch. From the project's root:
#   docker build --file dockerfiles/api.Dockerfile --tag geoships-api .
#   docker run --rm --publish 127.0.0.1:8000:8000 --volume geoships:/data geoships-api
# compose.yaml starts it with PostgreSQL and a worker of its own. A container is another machine to its host, so that a
# key is needed: docker run --rm --volume geoships:/data geoships-api serve keys add NAME
#
# Build arguments:
#   MORE               packages besides, such as "h5py" for NetCDF scenes
#   UV_DEFAULT_INDEX   address of another package index, such as a mirror; without it uv takes its default
FROM python:3.12.14-slim-bookworm@sha256:392307d22300de8b5986851a12d9176dfc0fc073e65bf6523ebd7dcbeb23564e AS build

ARG UV_VERSION=0.13.9
ARG UV_DEFAULT_INDEX
ARG MORE
ENV UV_CACHE_DIR=/var/cache/uv UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never

RUN pip install --no-cache-dir "uv==${UV_VERSION}"
WORKDIR /app

# What geoships needs comes first: this layer is kept until the lists change.
COPY requirements requirements
RUN --mount=type=cache,target=/var/cache/uv \
    uv venv /opt/geoships && \
    uv pip install --python /opt/geoships --no-deps --requirement requirements/lean.txt && \
    uv pip install --python /opt/geoships --requirement requirements/lean-serve.txt ${MORE}

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

LABEL org.opencontainers.image.title="geoships-api" \
      org.opencontainers.image.description="Finds ships in satellite scenes, as a service" \
      org.opencontainers.image.licenses="MIT"

# GDAL, inside rasterio's wheel, takes expat from the system. Debian drops old versions, so none is pinned.
# hadolint ignore=DL3008
RUN apt-get update && \
    apt-get install --yes --no-install-recommends libexpat1 && \
    rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 1000 --user-group geoships && \
    install --directory --owner geoships --group geoships /data

COPY --from=build /opt/geoships /opt/geoships
ENV PATH="/opt/geoships/bin:$PATH" XDG_CACHE_HOME=/tmp/cache \
    GEOSHIPS_DATA_DIR=/data GEOSHIPS_PORT=8000

USER 1000:1000
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["geoships"]
CMD ["serve", "--host", "0.0.0.0"]
