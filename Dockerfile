# docker build -t synth . && docker run --rm -v "$PWD:/data" synth fit patients.csv --schema schema.toml --epsilon 1 -o model.synth
FROM python:3.11-slim

ENV PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 OMP_NUM_THREADS=1

WORKDIR /opt/synth
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY synth synth
COPY evaluation evaluation
COPY datasets datasets

# torch first, from the index of builds without CUDA, so that no other package pulls a larger one
RUN pip install --extra-index-url https://download.pytorch.org/whl/cpu --constraint constraints.txt torch \
 && pip install --constraint constraints.txt ".[demo]"

# no root inside; the table is mounted where the command runs
RUN useradd --create-home analyst
USER analyst
WORKDIR /data
ENTRYPOINT ["synth"]
CMD ["--help"]
