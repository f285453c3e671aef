# The operator's image: the package and its locked dependencies, run as nobody in particular.

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /opt/tradewind
# Versions are those of the lock file; what only developers need of it is left out.
COPY requirements/dev.lock requirements/
RUN sed -nE 's/^([A-Za-z0-9._-]+==[^\\]+).*$/\1/p' requirements/dev.lock > versions.txt
COPY pyproject.toml README.md LICENSE ./
COPY operator operator
RUN /opt/tradewind/bin/pip install --constraint versions.txt '.[fast]' \
 && /opt/tradewind/bin/python -m pip uninstall --yes pip

FROM python:3.13-slim
LABEL org.opencontainers.image.title="Tradewind" \
      org.opencontainers.image.description="Many Kubernetes clusters as one computing power network" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/tradewind /opt/tradewind
ENV PATH=/opt/tradewind/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["tradewind"]
CMD ["operator"]
