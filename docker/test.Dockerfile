# The test image: every client and server that the suite uses, and the containers that play the world outside.
#   test      runs the suite and the linters (make test, make lint)
#   internet  plays the hosts that the toolchain downloads from (tests/e2e/internet.compose.yml)
#   squid     plays a corporate proxy (same file)
#   bench     measures beside other proxies (make bench)
ARG PYTHON_IMAGE=python:3.14-slim-trixie
ARG NODE_IMAGE=node:24-trixie-slim
ARG UV_IMAGE=ghcr.io/astral-sh/uv:latest

FROM ${UV_IMAGE} AS uv
FROM ${NODE_IMAGE} AS node

# ---- Programs and Python packages, shared by all targets ---------------------------------------------------------------
FROM ${PYTHON_IMAGE} AS base
# docker-*: the tests drive the engine; iproute2, iptables, util-linux: bad networks; nginx, squid, tinyproxy, haproxy, docker-registry,
# krb5-*: real peers; faketime: clocks that leap; skopeo, zstd: what export archives must be fit for; make: what users type; libstdc++6:
# Node's; the rest: clients under test.
RUN --mount=type=secret,id=corporate_ca,required=false --mount=type=secret,id=proxy_credentials,required=false \
    --mount=type=cache,id=drydock-logins,target=/run/drydock-logins \
    --mount=type=bind,source=docker/worker/build-way,target=/build/build-way \
    --mount=type=bind,source=docker/worker/debian-install,target=/build/debian-install \
    --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \
    sh /build/debian-install \
      ca-certificates curl docker-buildx docker-cli docker-compose docker-registry faketime git haproxy iproute2 iptables \
      krb5-admin-server krb5-kdc krb5-user libstdc++6 make nginx openssl procps skopeo squid-openssl tinyproxy-bin util-linux \
      wget zstd >/dev/null
COPY --from=uv /uv /usr/local/bin/
COPY --from=node /usr/local/bin/node /usr/local/bin/
COPY --from=node /usr/local/lib/node_modules/npm /usr/local/lib/node_modules/npm
# npm's machine-wide settings (a company's image may say there which registry and which CA).
COPY --from=node /usr/local/etc/ /usr/local/etc/
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \
 && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx
COPY docker/worker/worker-python-install docker/worker/build-way /usr/local/bin/
COPY docker/requirements/test.txt docker/requirements/audit.txt /tmp/
# Virtual environments, so that pip under test stays the image's own. The secrets are the company's CA and login, where there are any.
RUN --mount=type=secret,id=corporate_ca,required=false --mount=type=secret,id=proxy_credentials,required=false \
    --mount=type=cache,id=drydock-logins,target=/run/drydock-logins \
    --mount=type=cache,target=/root/.cache/uv \
    export UV_SYSTEM_CERTS=1 UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1; \
    sh /usr/local/bin/worker-python-install /opt/test /tmp/test.txt >/dev/null \
 && sh /usr/local/bin/worker-python-install /opt/audit /tmp/audit.txt >/dev/null \
 && ln -s /opt/audit/bin/pip-audit /usr/local/bin/ \
 && rm -f /tmp/test.txt /tmp/audit.txt
ENV PATH=/opt/test/bin:$PATH PYTHONUNBUFFERED=1

# ---- What the hosts outside would offer, made from npm packages ----------------------------------------------------------
FROM node AS assets
WORKDIR /assets
COPY tests/internet/package.json tests/internet/package-lock.json ./
# The Pyodide bundle lies in a Linux x64 binary that is only read, never run: any machine may install it.
RUN --mount=type=secret,id=corporate_ca,required=false --mount=type=secret,id=proxy_credentials,required=false \
    --mount=type=cache,id=drydock-logins,target=/run/drydock-logins \
    --mount=type=bind,source=docker/worker/build-way,target=/build-way --mount=type=tmpfs,target=/tmp --mount=type=cache,target=/root/.npm \
    . /build-way && drydock_npm_way && npm ci --silent --ignore-scripts --os=linux --cpu=x64 --libc=glibc

FROM base AS www
COPY tests/internet/ /src/tests/internet/
COPY --from=assets /assets/node_modules /assets/node_modules
RUN cd /src && python -m tests.internet.build_www /assets/node_modules /www

FROM base AS internet
COPY --from=www /www /www
COPY tests/upstream/ /src/tests/upstream/
COPY tests/cloudflare/ /src/tests/cloudflare/
COPY tests/internet/ /src/tests/internet/
WORKDIR /src
# The root's key stays in /state; its certificate goes to /ca, which others may mount.
RUN mkdir /ca /state
CMD ["python", "-m", "tests.internet", "--www", "/www", "--ca", "/ca/internet.pem", "--state", "/state"]

FROM base AS squid
COPY tests/upstream/ /src/tests/upstream/
WORKDIR /src
# Squid refuses to run as root; a named volume takes its first owner from here.
RUN install -d -o proxy -g proxy /ca
# Debian's package chooses the number.
# hadolint ignore=DL3066
USER proxy
CMD ["python", "-m", "tests.upstream.squid", "--listen", "0.0.0.0:3128", "--ca", "/ca/corporate.pem"]

# ---- Real Pyodide for the Workers' tests (workers/pyodide): npm packages, and Python packages for wasm ---------------------
FROM node AS pyodide-node
WORKDIR /opt/pyodide
COPY workers/pyodide/package.json workers/pyodide/package-lock.json workers/pyodide/.npmrc ./
RUN --mount=type=secret,id=corporate_ca,required=false --mount=type=secret,id=proxy_credentials,required=false \
    --mount=type=cache,id=drydock-logins,target=/run/drydock-logins \
    --mount=type=bind,source=docker/worker/build-way,target=/build-way --mount=type=tmpfs,target=/tmp --mount=type=cache,target=/root/.npm \
    . /build-way && drydock_npm_way && npm ci --silent --ignore-scripts

FROM ${PYTHON_IMAGE} AS pyodide-python
COPY workers/pyodide/requirements.txt workers/pyodide/vendor.py /opt/pyodide/
RUN --mount=type=secret,id=corporate_ca,required=false --mount=type=secret,id=proxy_credentials,required=false \
    --mount=type=cache,id=drydock-logins,target=/run/drydock-logins \
    --mount=type=bind,source=docker/worker/build-way,target=/build-way --mount=type=tmpfs,target=/tmp --mount=type=cache,target=/root/.cache/pip \
    . /build-way && drydock_python_way && python /opt/pyodide/vendor.py /opt/pyodide/python_modules

# ---- The suite -----------------------------------------------------------------------------------------------------------
FROM base AS test
COPY --from=pyodide-node /opt/pyodide/node_modules /opt/pyodide/node_modules
COPY --from=pyodide-python /opt/pyodide/python_modules /opt/pyodide/python_modules
COPY --chmod=755 docker/test-entrypoint /usr/local/bin/
# The repository belongs to whoever cloned it; git would refuse to read it as somebody else.
RUN git config --system --add safe.directory '*'
# Nothing is written beside the sources: they may belong to somebody else, and are mounted read-only.
ENV PYTHONPYCACHEPREFIX=/var/cache/drydock-test/pycache \
    RUFF_CACHE_DIR=/var/cache/drydock-test/ruff \
    MYPY_CACHE_DIR=/var/cache/drydock-test/mypy \
    # runtimes and tools from npm that tests ask, about 200 MB once
    DRYDOCK_TEST_ASSETS=/var/cache/drydock-test/assets \
    # named, it must be complete: no test in Pyodide is skipped here
    WORKERS_PYODIDE=/opt/pyodide \
    HYPOTHESIS_STORAGE_DIRECTORY=/var/cache/drydock-test/hypothesis \
    HOME=/var/cache/drydock-test/home \
    UV_LINK_MODE=copy
ENTRYPOINT ["test-entrypoint"]

# ---- What measures ----------------------------------------------------------------------------------------------------------
FROM test AS bench
RUN --mount=type=secret,id=corporate_ca,required=false --mount=type=secret,id=proxy_credentials,required=false \
    --mount=type=cache,id=drydock-logins,target=/run/drydock-logins \
    --mount=type=bind,source=docker/worker/build-way,target=/build/build-way \
    --mount=type=bind,source=docker/worker/debian-install,target=/build/debian-install \
    --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \
    sh /build/debian-install wrk >/dev/null
COPY docker/requirements/bench.txt /tmp/bench.txt
# Beside the suite's own packages: what draws must change nothing of what is measured.
RUN --mount=type=secret,id=corporate_ca,required=false --mount=type=secret,id=proxy_credentials,required=false \
    --mount=type=cache,id=drydock-logins,target=/run/drydock-logins \
    --mount=type=cache,target=/root/.cache/uv \
    export UV_SYSTEM_CERTS=1 UV_COMPILE_BYTECODE=1; \
    sh /usr/local/bin/worker-python-install /opt/plots /tmp/bench.txt >/dev/null \
 && rm -f /tmp/bench.txt
