"""Entities over HTTP, by four clients, into a stand-alone index (bench/http_load.c); against the
same entities applied by four engines alone, which are made of them before the time begins.
"""

import os
import shutil

import measure
import pipeline
import servers
from scene import HOME

CLIENTS = 4  # and partitions
TOKEN = "bench"


def write_config(directory, port):
    (directory / "token").write_text(TOKEN)
    gallery = (pipeline.ROOT / "config" / "gallery.yaml").read_text()
    fields = gallery[gallery.index("\nindex_config:"):]
    config = directory / "config.yaml"
    config.write_text(f"""index: gallery
topic: {{ partitions: {CLIENTS} }}
consumer:
  data_dir: {directory / "index"}
  listen: "{servers.LOOPBACK}:{port}"
  token_file: {directory / "token"}
{fields}""")
    return config


def post(directory, entities):
    """Seconds that an empty index takes."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    (port,) = servers.free_ports(1)
    index = pipeline.Program("bitdex-consumer", directory, write_config(directory, port),
                             dict(os.environ), port)
    index.start()
    try:
        index.wait_until(lambda: index.api.call("/api/ready")[0] == 200, "does not become ready")
        ((seconds,),) = measure.run_client("bench_http", "post", port, TOKEN, CLIENTS, entities)
        return seconds
    finally:
        index.kill()
        shutil.rmtree(directory)


def run(scene):
    entities = scene.size(100_000, 20_000)
    ours, alone = [], []
    for _ in range(scene.runs):
        ours.append(entities / post(HOME / "http", entities))
        ((seconds,),) = measure.run_client("bench_http", "engine", CLIENTS, entities)
        alone.append(entities / seconds)
    yield measure.row(f"load over HTTP, {CLIENTS} clients", "the engine alone", "entities/s", ours,
                      alone, 0.7)
