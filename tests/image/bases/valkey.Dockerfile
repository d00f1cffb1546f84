# Looks like valkey/valkey:8-alpine: Debian's Redis under Valkey's names.
FROM fluxkeep-test/debian
RUN ln -s /usr/bin/redis-server /usr/local/bin/valkey-server \
 && ln -s /usr/bin/redis-cli /usr/local/bin/valkey-cli \
 && groupadd --system --gid 1000 valkey \
 && useradd --system --uid 999 --gid valkey --no-create-home valkey \
 && install --directory --owner valkey --group valkey /data
COPY valkey-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
WORKDIR /data
VOLUME /data
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["valkey-server"]
