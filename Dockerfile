# docker build --build-arg PYTHON_DIGEST=sha256:... -t diglot .   (the digest pins the base; without it the tag does)
# docker run -p 8000:8000 -v diglot:/data --read-only --tmpfs /tmp --cap-drop ALL diglot
# docker run -v diglot:/data diglot keys create --dialect misar --workspace Acme
ARG PYTHON_TAG=3.13.9-slim-bookworm
ARG PYTHON_DIGEST=

FROM python:${PYTHON_TAG}${PYTHON_DIGEST:+@${PYTHON_DIGEST}} AS build
WORKDIR /build
RUN python3 -m venv /opt/diglot && python3 -m venv /opt/build
COPY requirements.lock requirements-build.lock ./
RUN /opt/diglot/bin/pip install --no-cache-dir --require-hashes -r requirements.lock \
 && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements-build.lock
COPY pyproject.toml README.md DIFFERENCES.md CHANGELOG.md SECURITY.md LICENSE ./
COPY docs docs
COPY src src
RUN /opt/build/bin/pip wheel --no-cache-dir --no-build-isolation --no-deps --wheel-dir wheels . \
 && /opt/diglot/bin/pip install --no-cache-dir --no-deps --no-index wheels/*.whl

FROM python:${PYTHON_TAG}${PYTHON_DIGEST:+@${PYTHON_DIGEST}}
COPY --from=build /opt/diglot /opt/diglot
# SQLite is that of the package pysqlite3 (3.53.4) on x86-64. On ARM64 it is Debian's, with which one worker is safe.
RUN mkdir /data && chown 10001:10001 /data
ENV PATH=/opt/diglot/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DIGLOT_HOST=0.0.0.0 \
    DIGLOT_PORT=8000 \
    DIGLOT_DATABASE=/data/diglot.db
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
# A stop ends the requests in progress and takes at most ten seconds: docker stop --time 20, stop_grace_period: 20s.
STOPSIGNAL SIGTERM
# It reads DIGLOT_HOST, DIGLOT_PORT and DIGLOT_CONFIG as the server does.
HEALTHCHECK --interval=15s --timeout=8s --start-period=20s --retries=3 CMD ["diglot", "health"]
ENTRYPOINT ["diglot"]
CMD ["serve"]
