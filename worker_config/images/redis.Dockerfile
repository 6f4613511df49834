# What redis:7 is to docker-compose.yml: redis-server, a user redis (999), /data.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN groupadd --system --gid 999 redis \
    && useradd --system --uid 999 --gid redis --home-dir /data --create-home redis \
    && apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install redis-server >/dev/null \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
WORKDIR /data
USER redis
EXPOSE 6379
CMD ["redis-server", "--protected-mode", "no"]
