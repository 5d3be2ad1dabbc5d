# The exporter without compiler, pip or caches; it does not run as root. Any uid with group 0 works.
#
#   docker build --tag push-result-exporter .
#   docker run --read-only -p 10987:10987 -v push-ledger:/var/lib/push-result-exporter \
#     -v "$PWD/mps-public-key.txt:/run/secrets/mps-public-key:ro" \
#     -e PUSH_EXPORTER_MPS_PUBLIC_KEY_FILES=/run/secrets/mps-public-key push-result-exporter
#
# BASE may be any image with Python 3.11 or newer and its venv module. To build without a network, set
# PIP_NO_INDEX=1, and PIP_FIND_LINKS to a folder of wheels that the builder can read. Hashes are
# checked in any case.
ARG BASE=base

# On a separate line, which Dependabot updates; it does not read ARG.
FROM python:3.14.8-slim-trixie@sha256:a2b82f3c48559aa0a8446d9af49826b6e2b2016f4cd2afabfe6013ec53729170 AS base

FROM ${BASE} AS build
ARG PIP_NO_INDEX
ARG PIP_FIND_LINKS
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
COPY deploy/image deploy/image
RUN python3 -m venv /build \
    && /build/bin/pip install --require-hashes --only-binary :all: -r deploy/image/build-requirements.txt \
    && python3 -m venv --without-pip /opt/push-result-exporter \
    && /build/bin/pip --python /opt/push-result-exporter/bin/python install \
        --require-hashes --only-binary :all: -r deploy/image/requirements.txt
# Remove 17 MB of numpy's tests, and 25 MB of debug symbols from wheels, unless binutils cannot be
# installed, as without a network. Libraries in `*.libs`, whose layout auditwheel has changed, do not
# load once they are stripped.
# hadolint ignore=DL3008
RUN command -v strip || { apt-get update && apt-get install -y --no-install-recommends binutils; } \
        || echo "binutils is missing: debug symbols are kept"; \
    rm -rf /var/lib/apt/lists/*; \
    find /opt/push-result-exporter -path '*/numpy/*' -name tests -type d -exec rm -r {} +; \
    ! command -v strip || find /opt/push-result-exporter -name '*.so' ! -path '*.libs/*' \
        -exec strip --strip-unneeded {} +
COPY . .
ARG REVISION
RUN [ -z "${REVISION}" ] || echo "${REVISION}" > exporter/REVISION
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
    && /build/bin/pip --python /opt/push-result-exporter/bin/python install --no-deps /wheel/*.whl

FROM ${BASE}
ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="push-result-exporter" \
    org.opencontainers.image.description="Counts the results of mobile push notifications, durably and exactly once, for Prometheus." \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.source="https://github.com/push-result-exporter/push-result-exporter" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/push-result-exporter /opt/push-result-exporter
COPY deploy/image/healthcheck.py /opt/push-result-exporter/
# COPY cannot set the mode of a folder.
RUN install -d -o 10001 -g 0 -m 0770 /var/lib/push-result-exporter
# Prometheus cannot reach 127.0.0.1 of a container, so the admin listener listens on all addresses:
# publish only 10987, never 10988. For IPv6 set both hosts to `::`.
ENV PATH="/opt/push-result-exporter/bin:${PATH}" \
    PYTHONDONTWRITEBYTECODE=1 \
    PUSH_EXPORTER_ADMIN_HOST=0.0.0.0 \
    PUSH_EXPORTER_LEDGER_PATH=/var/lib/push-result-exporter/ledger.sqlite3
WORKDIR /var/lib/push-result-exporter
VOLUME ["/var/lib/push-result-exporter"]
EXPOSE 10987 10988
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
    CMD ["/opt/push-result-exporter/bin/python", "-SI", "/opt/push-result-exporter/healthcheck.py"]
ENTRYPOINT ["/opt/push-result-exporter/bin/push-result-exporter"]
CMD ["serve"]
