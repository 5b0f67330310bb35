# The image that Workers run in: node, npm, uv, CPython 3.14, pywrangler, wrangler with workerd, and drydock's entrypoint.
ARG PYTHON_IMAGE=python:3.14-slim-trixie
ARG NODE_IMAGE=node:24-trixie-slim
ARG UV_IMAGE=ghcr.io/astral-sh/uv:latest

FROM ${UV_IMAGE} AS uv

# ---- wrangler, miniflare, workerd ---------------------------------------------------------------------------------
FROM ${NODE_IMAGE} AS toolchain
# Empty means what docker/toolchain/package-lock.json pins; otherwise that very version is installed instead.
ARG WRANGLER_VERSION= WORKERD_VERSION=
WORKDIR /opt/toolchain
COPY docker/toolchain/package.json docker/toolchain/package-lock.json docker/worker/worker-toolchain docker/worker/build-way ./
# A corporate CA is a secret only so that it lies in no layer; npm gets it beside Node's own roots.
RUN --mount=type=secret,id=corporate_ca,required=false --mount=type=secret,id=proxy_credentials,required=false \
    --mount=type=cache,id=drydock-logins,target=/run/drydock-logins \
    --mount=type=cache,target=/root/.npm \
    sh ./worker-toolchain

# ---- pywrangler, in a venv of its own -------------------------------------------------------------------------------
FROM ${PYTHON_IMAGE} AS python-tools
COPY --from=uv /uv /usr/local/bin/uv
# The cache mount lies on another file system, so hard links are impossible; compiled now, since the root is read-only later.
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never
COPY docker/worker/worker-python-install docker/worker/build-way /usr/local/bin/
ARG WORKERS_PY_VERSION= WORKERS_RUNTIME_SDK_VERSION=
COPY docker/requirements/worker.txt /tmp/worker.txt
RUN --mount=type=secret,id=corporate_ca,required=false --mount=type=secret,id=proxy_credentials,required=false \
    --mount=type=cache,id=drydock-logins,target=/run/drydock-logins \
    --mount=type=cache,target=/root/.cache/uv \
    sh /usr/local/bin/worker-python-install /opt/pywrangler /tmp/worker.txt \
      "${WORKERS_PY_VERSION:+workers-py==${WORKERS_PY_VERSION}}" \
      "${WORKERS_RUNTIME_SDK_VERSION:+workers-runtime-sdk==${WORKERS_RUNTIME_SDK_VERSION}}"

# ---- drydock-cache, for the service that asks the runtime what it wants ---------------------------------------------
FROM python-tools AS drydock
COPY docker/requirements/drydock-cache.txt docker/requirements/drydock-build.txt /tmp/
# Dependencies before the package: a changed source file installs nothing again.
RUN --mount=type=secret,id=corporate_ca,required=false --mount=type=secret,id=proxy_credentials,required=false \
    --mount=type=cache,id=drydock-logins,target=/run/drydock-logins \
    --mount=type=cache,target=/root/.cache/uv \
    sh /usr/local/bin/worker-python-install /opt/drydock /tmp/drydock-cache.txt \
 && sh /usr/local/bin/worker-python-install /opt/build /tmp/drydock-build.txt
COPY cache/pyproject.toml /tmp/cache/
COPY cache/src /tmp/cache/src
RUN sh /usr/local/bin/worker-python-install /opt/drydock --package /tmp/cache /opt/build

# ---- the image ------------------------------------------------------------------------------------------------------
FROM ${PYTHON_IMAGE} AS worker
# curl and git are for whoever works in a Worker's container, and each is a client that doctor asks.
RUN --mount=type=secret,id=corporate_ca,required=false --mount=type=secret,id=proxy_credentials,required=false \
    --mount=type=cache,id=drydock-logins,target=/run/drydock-logins \
    --mount=type=bind,source=docker/worker/build-way,target=/build/build-way \
    --mount=type=bind,source=docker/worker/debian-install,target=/build/debian-install \
    --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \
    sh /build/debian-install curl git
# The bind mount on Worker sources is read with this id; 1000 is the first user of most Linux desktops.
RUN groupadd --gid 1000 worker && useradd --uid 1000 --gid 1000 --no-create-home --home-dir /tmp --shell /bin/sh worker \
 && install -d -o worker -g worker /worker /run/drydock
COPY --from=uv /uv /uvx /usr/local/bin/
COPY --from=toolchain /usr/local/bin/node /usr/local/bin/node
COPY --from=toolchain /usr/local/lib/node_modules/npm /usr/local/lib/node_modules/npm
COPY --from=toolchain /opt/toolchain /opt/toolchain
COPY --from=python-tools /opt/pywrangler /opt/pywrangler
# npx looks into the global folder of executables after the Worker's own node_modules, so `npx --yes wrangler` needs no registry.
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \
 && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx \
 && ln -s /opt/toolchain/node_modules/.bin/wrangler /usr/local/bin/wrangler \
 && ln -s /opt/toolchain/bin/workerd /usr/local/bin/workerd \
 && ln -s /opt/pywrangler/bin/pywrangler /usr/local/bin/pywrangler \
 && ln -s /opt/drydock/bin/drydock /usr/local/bin/drydock \
 && ln -s /usr/local/lib/drydock/worker-entrypoint /usr/local/bin/worker-entrypoint \
 && ln -s /usr/local/lib/drydock/worker-healthcheck /usr/local/bin/worker-healthcheck \
 && ln -s /usr/local/lib/drydock/worker-deploy /usr/local/bin/worker-deploy \
 && ln -s /usr/local/lib/drydock/workerd-cached /usr/local/bin/workerd-cached

# wrangler's side traffic, off: request.cf data, usage metrics, the update check, crash reports.
ENV CLOUDFLARE_CF_FETCH_ENABLED=false WRANGLER_SEND_METRICS=false WRANGLER_HIDE_BANNER=true WRANGLER_SEND_ERROR_REPORTS=false \
    # Node's own fetch looks at the proxy variables only when told to.
    NODE_USE_ENV_PROXY=1 NO_UPDATE_NOTIFIER=1 npm_config_update_notifier=false npm_config_fund=false npm_config_audit=false \
    # workerd is run through the wrapper that lets it read the bundle from the store.
    MINIFLARE_WORKERD_PATH=/usr/local/bin/workerd-cached \
    # What uv and npm keep lies beside the Worker's venvs, in its work volume: a recreated container syncs nothing again.
    UV_CACHE_DIR=/worker/.cache/uv UV_PYTHON_INSTALL_DIR=/worker/.cache/python npm_config_cache=/worker/.cache/npm \
    # pywrangler does not pass SIGTERM on; with `init: true` the whole process group gets it.
    TINI_KILL_PROCESS_GROUP=1 \
    HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PORT=8787

COPY --from=drydock /opt/drydock /opt/drydock
COPY docker/worker/ /usr/local/lib/drydock/
# By number: who runs it may check that it is not root's.
USER 1000:1000
WORKDIR /worker
# The first start of a Worker installs its packages; until then, no answer is no fault.
HEALTHCHECK --interval=10s --timeout=10s --start-period=10m --start-interval=1s CMD ["worker-healthcheck"]
ENTRYPOINT ["worker-entrypoint"]
CMD ["dev"]
