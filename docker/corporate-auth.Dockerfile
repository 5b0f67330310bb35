# The image of the profile corporate-auth: px, which logs in at the company's proxy, in a venv, run by a user without rights.
ARG PYTHON_IMAGE=python:3.14-slim-trixie
ARG UV_IMAGE=ghcr.io/astral-sh/uv:latest

FROM ${UV_IMAGE} AS uv

FROM ${PYTHON_IMAGE} AS packages
COPY --from=uv /uv /usr/local/bin/uv
# The cache mount lies on another file system, so hard links are impossible; compiled now, since the root is read-only later.
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never
COPY docker/worker/worker-python-install docker/worker/build-way /usr/local/bin/
COPY docker/requirements/corporate-auth.txt docker/requirements/drydock-build.txt /tmp/
RUN --mount=type=secret,id=corporate_ca,required=false --mount=type=secret,id=proxy_credentials,required=false \
    --mount=type=cache,id=drydock-logins,target=/run/drydock-logins \
    --mount=type=cache,target=/root/.cache/uv \
    sh /usr/local/bin/worker-python-install /opt/auth /tmp/corporate-auth.txt \
 && sh /usr/local/bin/worker-python-install /opt/build /tmp/drydock-build.txt
# For how it reads addresses of proxies and files of logins; that needs none of its dependencies.
COPY cache/pyproject.toml /tmp/cache/
COPY cache/src /tmp/cache/src
RUN sh /usr/local/bin/worker-python-install /opt/auth --package /tmp/cache /opt/build

FROM ${PYTHON_IMAGE} AS corporate-auth
# kinit and kvno, which fetch and renew tickets; libcurl brings a Kerberos of its own, which takes them. Debian's cleaning would
# empty the cache mount.
RUN --mount=type=secret,id=corporate_ca,required=false --mount=type=secret,id=proxy_credentials,required=false \
    --mount=type=bind,source=docker/worker/build-way,target=/build-way \
    --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \
    rm -f /etc/apt/apt.conf.d/docker-clean && . /build-way \
 && if [ -n "$corporate" ]; then set -- -o "Acquire::https::CAInfo=$corporate"; fi \
 && apt-get "$@" update \
 && DEBIAN_FRONTEND=noninteractive apt-get "$@" install --yes --no-install-recommends krb5-user \
 && rm -f /tmp/company.pem
RUN groupadd --gid 2001 auth && useradd --uid 2001 --gid 2001 --no-create-home --home-dir /tmp --shell /bin/sh auth
COPY --from=packages /opt/auth /opt/auth
COPY docker/auth/ /usr/local/lib/drydock/
ENV PATH=/opt/auth/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 2001:2001
WORKDIR /tmp
# That it listens, and no more: whether a login is right, only a try would tell.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --start-interval=1s \
  CMD ["python", "-c", "import socket; socket.create_connection(('127.0.0.1', 3128), 3)"]
ENTRYPOINT ["python", "/usr/local/lib/drydock/auth_start.py"]
