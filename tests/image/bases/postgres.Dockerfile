# Looks like postgres:18-alpine: Debian's PostgreSQL, its data where version 18 of the image has it.
FROM fluxkeep-test/debian
ENV PGDATA=/var/lib/postgresql/18/docker LANG=C.UTF-8
RUN rm -rf /var/lib/postgresql /var/run/postgresql \
 && install --directory --owner postgres --group postgres --mode 1777 /var/lib/postgresql \
 && install --directory --owner postgres --group postgres --mode 3777 /var/run/postgresql \
 && ln -s /usr/lib/postgresql/*/bin/* /usr/local/bin/
COPY postgres-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
VOLUME /var/lib/postgresql
ENTRYPOINT ["docker-entrypoint.sh"]
STOPSIGNAL SIGINT
CMD ["postgres"]
