# The gateway between the host and the Workers: HAProxy as Debian packages it.
ARG DEBIAN_IMAGE=debian:trixie-slim
FROM ${DEBIAN_IMAGE} AS gateway
# Empty: the version that the suite has.
ARG HAPROXY_VERSION=
# A corporate CA is a secret only so that it lies in no layer.
RUN --mount=type=secret,id=corporate_ca,required=false --mount=type=secret,id=proxy_credentials,required=false \
    --mount=type=cache,id=drydock-logins,target=/run/drydock-logins \
    --mount=type=bind,source=docker/worker/build-way,target=/build/build-way \
    --mount=type=bind,source=docker/worker/debian-install,target=/build/debian-install \
    --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \
    sh /build/debian-install "haproxy${HAPROXY_VERSION:+=${HAPROXY_VERSION}}"
COPY docker/gateway.cfg /etc/haproxy/haproxy.cfg
# A wrong configuration fails the build, not the start.
RUN haproxy -c -q -f /etc/haproxy/haproxy.cfg
# Debian's package chooses the number.
# hadolint ignore=DL3066
USER haproxy
# Bash speaks to the port itself: the image has no curl. The answer is about HAProxy, never about a Worker.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --start-interval=1s \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8404 && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q ' 200 ' <&3"]
# As process 1 it would not get SIGTERM at all: run it with `init: true`.
ENTRYPOINT ["haproxy", "-db", "-f", "/etc/haproxy/haproxy.cfg"]
