# The image of the proxy and of warm: drydock-cache and drydock-proxy in a venv, run by a user without rights.
ARG PYTHON_IMAGE=python:3.14-slim-trixie
ARG NODE_IMAGE=node:24-trixie-slim
ARG UV_IMAGE=ghcr.io/astral-sh/uv:latest

FROM ${UV_IMAGE} AS uv

# ---- which npm registry this machine's npm uses, since the proxy has no npm to ask --------------------------------------
FROM ${NODE_IMAGE} AS registries
RUN mkdir /registries && npm config get registry > /registries/npm

# ---- the packages ---------------------------------------------------------------------------------------------------------
FROM ${PYTHON_IMAGE} AS packages
COPY --from=uv /uv /usr/local/bin/uv
# The cache mount lies on another file system, so hard links are impossible; compiled now, since the root is read-only later.
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never
COPY docker/worker/worker-python-install docker/worker/build-way /usr/local/bin/
COPY docker/requirements/drydock-proxy.txt docker/requirements/drydock-build.txt /tmp/
# Dependencies before the packages: a changed source file installs nothing again.
RUN --mount=type=secret,id=corporate_ca,required=false --mount=type=secret,id=proxy_credentials,required=false \
    --mount=type=cache,id=drydock-logins,target=/run/drydock-logins \
    --mount=type=cache,target=/root/.cache/uv \
    sh /usr/local/bin/worker-python-install /opt/drydock /tmp/drydock-proxy.txt \
 && sh /usr/local/bin/worker-python-install /opt/build /tmp/drydock-build.txt \
 # Its tests carry a private key, which protects nothing; but no image shall hold any.
 && rm -r /opt/drydock/lib/python3*/site-packages/tornado/test
COPY cache/pyproject.toml /tmp/cache/
COPY cache/src /tmp/cache/src
COPY proxy/pyproject.toml /tmp/proxy/
COPY proxy/src /tmp/proxy/src
# And which index this image's pip uses: it is asked now, since each start would wait for its answer.
RUN sh /usr/local/bin/worker-python-install /opt/drydock --package /tmp/cache /opt/build \
 && sh /usr/local/bin/worker-python-install /opt/drydock --package /tmp/proxy /opt/build \
 && mkdir /registries && { /opt/drydock/bin/python -m drydock_cache.sources.registries > /tmp/python && mv /tmp/python /registries/ \
    || echo "Without a default index of Python packages: UV_DEFAULT_INDEX must say where they are."; }

# ---- the image ------------------------------------------------------------------------------------------------------------
FROM ${PYTHON_IMAGE} AS proxy
# A user of its own, unlike the Workers': nothing that a Worker runs as could read what is the proxy's.
RUN groupadd --gid 2000 drydock && useradd --uid 2000 --gid 2000 --no-create-home --home-dir /tmp --shell /bin/sh drydock \
 # The volumes take their owner from here; the CA's key lies in state, and nobody else may look inside.
 && install -d -o drydock -g drydock /var/lib/drydock/store /var/lib/drydock/ca \
 && install -d -o drydock -g drydock -m 0700 /var/lib/drydock/state
COPY --from=registries /registries /etc/drydock/registries
COPY --from=packages /registries /etc/drydock/registries
COPY --from=packages /opt/drydock /opt/drydock
COPY drydock.toml /etc/drydock/drydock.toml
ENV PATH=/opt/drydock/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    DRYDOCK_REGISTRIES_DIR=/etc/drydock/registries \
    DRYDOCK_CONFIG=/etc/drydock/drydock.toml \
    DRYDOCK_STORE=/var/lib/drydock/store \
    DRYDOCK_STATE=/var/lib/drydock/state \
    DRYDOCK_EXPORT_CA=/var/lib/drydock/ca/ca.pem
# By number: who runs it may check that it is not root's.
USER 2000:2000
WORKDIR /var/lib/drydock
ENTRYPOINT ["drydock"]
CMD ["proxy"]
