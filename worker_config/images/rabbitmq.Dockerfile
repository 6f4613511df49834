# What rabbitmq:3 is to the tests: a broker that takes guest's connections from other containers.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN groupadd --system --gid 999 rabbitmq \
    && useradd --system --uid 999 --gid rabbitmq --home-dir /var/lib/rabbitmq rabbitmq \
    && apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install rabbitmq-server >/dev/null \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/lib/rabbitmq/.erlang.cookie \
    && printf 'loopback_users = none\nlog.console = true\n' >/etc/rabbitmq/rabbitmq.conf
# Debian's wrapper would have to be root; this is what it starts.
ENV PATH=/usr/lib/rabbitmq/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ENV HOME=/var/lib/rabbitmq RABBITMQ_LOGS=-
USER rabbitmq
EXPOSE 5672
CMD ["rabbitmq-server"]
