# The image for pipelines without a network: the toolchain, the proxy, and a store that holds what the project's Workers need.
# It is filled over a network, or from an export archive with no network at all (make ci-image, make ci-image ARCHIVE=FILE).
ARG WORKER_IMAGE=drydock-worker:latest
ARG PROXY_IMAGE=drydock-proxy:latest
# Empty: fill the store over the network. Otherwise file names in the build context `archive`, several for a split archive.
ARG ARCHIVE=

# ---- the project: its Workers and its policy; --build-context project=FOLDER names another one ----------------------------
FROM scratch AS project
COPY drydock.toml assets*.lock /
COPY workers /workers

# ---- where export archives are; --build-context archive=FOLDER says it -----------------------------------------------------
FROM scratch AS archive

FROM ${PROXY_IMAGE} AS proxy

# ---- toolchain and proxy ----------------------------------------------------------------------------------------------------
FROM ${WORKER_IMAGE} AS toolchain
# A stage between: the image's own USER is the last line but two.
# hadolint ignore=DL3002
USER 0:0
# The Workers' image has a smaller drydock at the same place; two sets of packages must not mix.
RUN rm -rf /opt/drydock \
 # A pipeline may run as any user.
 && chmod 1777 /worker \
 && install -d -o worker -g worker /var/lib/drydock/store
COPY --from=proxy /opt/drydock /opt/drydock
COPY --from=proxy /etc/drydock /etc/drydock
COPY --from=project /drydock.toml /etc/drydock/drydock.toml
COPY docker/ci/ /usr/local/lib/drydock/
RUN ln -s /usr/local/lib/drydock/ci-entrypoint /usr/local/bin/ci-entrypoint \
 # A pipeline may configure the pip of this image, which is then the one to ask.
 && rm -f /etc/drydock/registries/python
ENV DRYDOCK_REGISTRIES_DIR=/etc/drydock/registries \
    DRYDOCK_CONFIG=/etc/drydock/drydock.toml \
    DRYDOCK_STORE=/var/lib/drydock/store \
    DRYDOCK_RUNTIME_VIEW=/var/lib/drydock/store/runtime

# ---- the store, filled over the network -------------------------------------------------------------------------------------
FROM toolchain AS store
# Folders of the project; empty: every Worker in workers/.
ARG WORKERS=
# A further command whose downloads are wanted, such as the test runner's: uvx pytest --version
ARG WARM=
# HOST=ADDRESS:PORT …, for split DNS.
ARG DRYDOCK_RESOLVE=
# The lock, where there is one, binds what is fetched.
COPY --from=project /assets*.lock /drydock.toml /etc/drydock/
# tmpfs: root's caches must not stand in the way of the user who works in /worker next.
RUN --network=none --mount=type=bind,from=project,target=/project --mount=type=tmpfs,target=/worker \
    --mount=type=bind,source=docker/ci/ci-resolv.conf,target=/etc/resolv.conf \
    cd /project && drydock plan --output /var/lib/drydock/plan.json ${WORKERS:-$(dirname workers/*/wrangler.*)}
USER 1000:1000
# A corporate CA is a secret only so that it lies in no layer.
RUN --mount=type=secret,id=corporate_ca,required=false,mode=0444 \
    --mount=type=secret,id=proxy_credentials,required=false,mode=0444 --mount=type=bind,from=project,target=/project \
    cd /project && sh /usr/local/lib/drydock/ci-warm /var/lib/drydock/plan.json ${WORKERS:-$(dirname workers/*/wrangler.*)}

# ---- the store, imported from an archive -------------------------------------------------------------------------------------
FROM toolchain AS store-from-archive
ARG ARCHIVE
# The expected signer, ed25519:…, as drydock export said it where the archive was made.
ARG ARCHIVE_KEY=
# Container images that the archive may carry are for an engine: docker load. Its lock is followed from here on, and warm fails
# where the archive lacks what it names.
RUN --network=none --mount=type=bind,from=archive,target=/archive \
    cd /archive && drydock import --no-images --locks /etc/drydock ${ARCHIVE_KEY:+--key "${ARCHIVE_KEY}"} ${ARCHIVE} \
 && if [ -e /etc/drydock/assets.lock ]; then drydock warm; fi

# A stage of this file, chosen by ARCHIVE.
# hadolint ignore=DL3006
FROM store${ARCHIVE:+-from-archive} AS filled

# ---- the image ---------------------------------------------------------------------------------------------------------------
FROM toolchain AS ci
# Root's, so that no command of a pipeline can change it; the CA is made when a container starts.
COPY --from=filled --chown=0:0 /var/lib/drydock/store /var/lib/drydock/store
COPY --from=filled /etc/drydock /etc/drydock
USER 1000:1000
HEALTHCHECK NONE
ENTRYPOINT ["ci-entrypoint"]
