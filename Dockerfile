# syntax=docker/dockerfile:1
# docker build --tag flowaudit .                  the daemon and every verb
# docker build --target demo --tag flowaudit:demo .   with AWS's mock, for `flowaudit demo` and compose.yaml
#
# Base images are pinned by version. Add the digest where images have to be the same in each build:
#   docker buildx imagetools inspect python:3.13-slim-trixie --format '{{.Manifest.Digest}}'
#   docker build --build-arg PYTHON_IMAGE=python:3.13-slim-trixie@sha256:… --build-arg UV_IMAGE=ghcr.io/astral-sh/uv:0.13.9@sha256:… .
ARG PYTHON_IMAGE=python:3.13-slim-trixie
ARG UV_IMAGE=ghcr.io/astral-sh/uv:0.13.9

FROM ${UV_IMAGE} AS uv

FROM ${PYTHON_IMAGE} AS builder
COPY --from=uv /uv /usr/local/bin/uv
# Compiled here, as nothing can be written beside the sources later. Hard links do not reach out of a cache mount.
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never \
    UV_CACHE_DIR=/var/cache/uv \
    UV_PROJECT_ENVIRONMENT=/opt/flowaudit
WORKDIR /src
# Dependencies first: this layer stays until uv.lock changes.
RUN --mount=type=cache,target=/var/cache/uv \
    --mount=type=bind,source=uv.lock,target=/src/uv.lock \
    --mount=type=bind,source=pyproject.toml,target=/src/pyproject.toml \
    uv sync --locked --no-dev --no-install-project --no-editable --extra s3
COPY . .
RUN --mount=type=cache,target=/var/cache/uv \
    uv sync --locked --no-dev --no-editable --extra s3

FROM builder AS builder-demo
RUN --mount=type=cache,target=/var/cache/uv \
    uv sync --locked --no-dev --no-editable --extra s3 --extra demo

FROM ${PYTHON_IMAGE} AS base
# Python's image has pip and its wheel, which nothing needs at run time and scanners report.
# A fixed number, so that Kubernetes can check runAsNonRoot and volumes can be owned in advance.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/pip* /usr/local/lib/python3*/ensurepip \
    && install -d -o 65532 -g 65532 -m 0700 /var/lib/flowaudit
# Nothing but /tmp and /var/lib/flowaudit is written: caches and DuckDB's temporary files go to /tmp, the lake is ./lake.
# Inside a container the loopback cannot be reached: who may connect is decided by the port that is published.
ENV PATH=/opt/flowaudit/bin:$PATH \
    HOME=/tmp \
    TMPDIR=/tmp \
    PYTHONUNBUFFERED=1 \
    FLOWAUDIT_HTTP__LISTEN=0.0.0.0:9184
WORKDIR /var/lib/flowaudit
VOLUME ["/var/lib/flowaudit"]
EXPOSE 9184
# flowaudit handles SIGTERM itself and starts no processes, so that PID 1 needs no init.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["flowaudit", "ping"]
ENTRYPOINT ["flowaudit"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="flowaudit" \
      org.opencontainers.image.description="Audits the paths of SageMaker's network traffic in VPC flow logs" \
      org.opencontainers.image.source="https://github.com/flowaudit/flowaudit" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

FROM base AS demo
COPY --from=builder-demo /opt/flowaudit /opt/flowaudit
USER 65532:65532
CMD ["demo"]

# The last stage is what `docker build` makes without --target.
FROM base AS flowaudit
COPY --from=builder /opt/flowaudit /opt/flowaudit
USER 65532:65532
CMD ["run"]
