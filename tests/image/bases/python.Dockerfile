# Looks like python:3.13-slim-bookworm: Debian's Python under the name `python`.
# The pinned wheels lie in it, for an engine without a network cannot fetch them.
FROM fluxkeep-test/debian
COPY wheels /opt/wheels
RUN ln -s /usr/bin/python3 /usr/local/bin/python \
 && printf '[global]\nno-index = true\nfind-links = /opt/wheels\n' > /etc/pip.conf
CMD ["python"]
