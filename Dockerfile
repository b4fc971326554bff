# batchveo in a container: not root, pinned versions, state and videos in volumes.
FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY batchveo ./batchveo
RUN python -m venv /opt/batchveo \
    && /opt/batchveo/bin/pip install --no-cache-dir --disable-pip-version-check --constraint constraints.txt '.[all]'

FROM python:3.11-slim
COPY --from=build /opt/batchveo /opt/batchveo
RUN useradd --uid 1000 --create-home batchveo \
    && install -d -o batchveo -g batchveo /night /night/state /night/videos
ENV PATH=/opt/batchveo/bin:$PATH PYTHONUNBUFFERED=1
USER batchveo
WORKDIR /night
VOLUME ["/night/state", "/night/videos"]
# the exec form, so that batchveo itself hears SIGTERM; it ends within five seconds, docker waits ten
STOPSIGNAL SIGTERM
ENTRYPOINT ["batchveo"]
CMD ["--help"]
