# syntax=docker/dockerfile:1
# One image with everything Parley needs. All it keeps is in /data; settings are environment variables, see
# docs/configuration.md. `docker stop` waits for ten seconds and Parley may take GRACEFUL_TIMEOUT: use --stop-timeout 20.

FROM python:3.11-slim-bookworm AS packages
WORKDIR /parley
COPY requirements.txt requirements-rabbitmq.txt requirements-kafka.txt ./
RUN python -m venv /opt/venv
RUN --mount=type=cache,target=/packages \
    /opt/venv/bin/python -m pip install --cache-dir /packages --disable-pip-version-check --require-hashes \
    -r requirements.txt -r requirements-rabbitmq.txt -r requirements-kafka.txt

FROM python:3.11-slim-bookworm
COPY --from=packages /opt/venv /opt/venv
WORKDIR /parley
COPY app.py config.py gunicorn.conf.py LICENSE ./
COPY migrations ./migrations/
COPY templates ./templates/
COPY static ./static/
COPY chat ./chat/
# Bytecode now: the program's folder is not Parley's to write, and a start should not compile.
RUN python -m compileall -q app.py config.py gunicorn.conf.py chat \
    && install -d -o 1000 -g 1000 -m 0700 /data
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOME=/data \
    DATA_DIR=/data \
    HOST=0.0.0.0 \
    PORT=5000
USER 1000:1000
VOLUME /data
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/healthz')"]
CMD ["python", "-m", "chat.server.start"]
