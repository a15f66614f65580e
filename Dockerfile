# The image nuncio:latest. Builds with BuildKit and with the engine's older builder (DOCKER_BUILDKIT=0).
# scripts/image builds it, and makes a base image where the public one cannot be pulled.
ARG BASE_IMAGE=node:24-bookworm-slim

# What runs: the production packages. None of them needs an install script.
FROM ${BASE_IMAGE} AS packages
LABEL nuncio.stage=build
ARG NPM_CONFIG_REGISTRY
# Certificates that the base image trusts besides Node's own list (a network that inspects TLS).
ENV NODE_USE_SYSTEM_CA=1
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

# The compiler's stage: development packages come and stay here. The base image's Node compiles, so the install
# script of the package "node" is not run.
FROM packages AS build
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN npm run build

FROM ${BASE_IMAGE}
RUN if command -v nft >/dev/null && command -v iptables >/dev/null; then exit 0; fi; \
    apt-get update \
    && apt-get install -y --no-install-recommends nftables iptables \
    && rm -rf /var/lib/apt/lists/*
LABEL nuncio.stage=final \
      org.opencontainers.image.title="Nuncio" \
      org.opencontainers.image.description="The ambassador of a plain Docker host"
ENV NODE_ENV=production
WORKDIR /app
COPY stage/start /start
# Commands by their own names, for --entrypoint and for images that are made from this one.
RUN for name in simple-amb docker-register dynamic-etcd-amb; do ln -s /start "/usr/local/bin/$name"; done
COPY --from=packages /app/node_modules node_modules
COPY package.json ./
COPY --from=build /app/dist dist
EXPOSE 10000
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s --retries=3 CMD ["/start", "--health"]
ENTRYPOINT ["/start"]
