# What prom/prometheus is to docker-compose.yml: the server as entry point, as nobody, /prometheus.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install prometheus >/dev/null \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin \
    && install -d -o nobody -g nogroup /prometheus
VOLUME /prometheus
WORKDIR /prometheus
USER nobody
EXPOSE 9090
ENTRYPOINT ["/usr/bin/prometheus"]
