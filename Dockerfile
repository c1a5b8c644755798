# shapesiren in a container, with the small installation and what makes CPUs fast.
#     docker build -t shapesiren .
#     docker build -t shapesiren:cuda --build-arg TORCH=cu126 .     # any name under download.pytorch.org/whl
#     docker run --rm -v "$PWD:/data" shapesiren fit scan.ply
#     docker run --rm -v "$PWD:/data" shapesiren mesh
#     docker run --rm --gpus all -v "$PWD:/data" shapesiren:cuda fit scan.ply --device cuda
# CUDA comes with torch's wheels: the host needs its driver and the NVIDIA container toolkit alone.
ARG PYTHON=3.12
FROM python:${PYTHON}-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY shapesiren shapesiren
RUN pip wheel --no-cache-dir --no-deps -w /wheels .

FROM python:${PYTHON}-slim
ARG TORCH=cpu
RUN pip install --no-cache-dir torch --index-url https://download.pytorch.org/whl/${TORCH}
COPY requirements-slim.txt /opt/shapesiren/
RUN pip install --no-cache-dir -r /opt/shapesiren/requirements-slim.txt numba matplotlib plotly soundfile av
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir --no-deps /wheels/*.whl && rm -r /wheels && shapesiren doctor
# not root: files in /data belong to whoever `docker run --user` names
RUN useradd --create-home scan && mkdir /data && chown scan /data
USER scan
# compiled steps are kept here; a volume keeps them from one run to the next
ENV NUMBA_CACHE_DIR=/tmp/numba
WORKDIR /data
ENTRYPOINT ["shapesiren"]
CMD ["--help"]
