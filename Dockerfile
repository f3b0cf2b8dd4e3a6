# The managed plugin's root file system; `make plugin` builds it, and makes the base image where none can be pulled.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
LABEL pynet.build=plugin
WORKDIR /src
COPY tools/__init__.py tools/
COPY tools/plugin tools/plugin
RUN sh tools/plugin/prepare.sh
# Wheels that were fetched before lie in build/wheels; the lock file is always there, so that nothing else need be.
COPY requirements.lock ./
COPY requirements.lock build/wheel[s] build/wheels/
RUN python3 -m tools.plugin.rootfs packages /rootfs
COPY setup.cfg pyproject.toml README.md LICENSE config.json ./
COPY docs/plugin.md docs/
COPY cli cli
COPY handlers handlers
COPY plugin plugin
COPY netlink netlink
RUN python3 -m tools.plugin.rootfs pynet /rootfs

FROM scratch
ARG VERSION=
ARG SOURCE=
LABEL org.opencontainers.image.title=pynet \
      org.opencontainers.image.description="Network driver and address manager for Docker Engine" \
      org.opencontainers.image.version=${VERSION} \
      org.opencontainers.image.source=${SOURCE} \
      org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.documentation=/usr/share/doc/pynet/plugin.md
COPY --from=build /rootfs/ /
ENTRYPOINT ["/usr/bin/pynet", "serve"]
