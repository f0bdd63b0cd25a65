"""Health, readiness, status, metrics and logs of both programs, and that they reveal no secret."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import time
import unittest
import urllib.request

import gallery
import pipeline
import servers
from case import GalleryCase
from outbox import OutboxCase

HEALTH_LIMIT_S = 30  # a drain without a sign of life for longer is unhealthy

LOG_LINE = re.compile(
    r'time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=(debug|info|warn|error) area=[a-z_]+'
    r' message="(?:[^"\\\x00-\x1f]|\\["\\nrt])*"'
)
SAMPLE = re.compile(
    r'(?P<name>[a-z][a-z0-9_]*)\{(?P<labels>(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+)\}'
    r' (?P<value>[-+0-9.e]+)'
)


def parse_metrics(text):
    """{family: (type, {sample with labels: value})} of Prometheus text format 0.0.4, strictly."""
    families = {}
    name = None
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("# HELP "):
            name = line.split(" ")[2]
            assert name not in families, f"{name} appears twice"
        elif line.startswith("# TYPE "):
            _, _, typed, kind = line.split(" ")
            assert typed == name and kind in ("counter", "gauge", "histogram"), line
            assert (kind == "counter") == name.endswith("_total"), line
            families[name] = (kind, {})
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample, line
            kind, samples = families[name]
            base = sample["name"]
            if kind == "histogram":
                base = re.sub("_(bucket|sum|count)$", "", base)
            assert base == name, line
            key = f"{sample['name']}{{{sample['labels']}}}"
            assert key not in samples, line
            samples[key] = float(sample["value"])
    return families


class Face(OutboxCase):
    def read_metrics(self):
        _, text = self.producer.api.call("/metrics")
        return parse_metrics(text)

    def test_status_and_metrics_agree(self):
        """Status as text, status as JSON, and the metrics show the same figures."""
        self.start()
        with self.pipeline.connect() as connection:
            self.insert(connection, 300)
            connection.execute("""INSERT INTO "BitdexOps" (entity_id, ops) VALUES (1, '{}')""")
            connection.commit()
            self.wait_until_sent()
            (last,) = connection.execute('SELECT max(id) FROM "BitdexOps"').fetchone()
            (generation,) = connection.execute(
                "SELECT generation FROM bitdex_producers").fetchone()
        status = json.loads(self.producer.command("status", "--json").stdout)
        for key, value in {
            "state": "draining", "error": "", "epoch": 1, "generation": generation, "rows": 301,
            "events": 301, "last_row_id": last, "max_row_id": last, "backlog_rows": 0,
            "backlog_seconds": 0, "dead_letters": 1,
        }.items():
            self.assertEqual(status[key], value, key)
        self.assertGreaterEqual(status["sessions"], 1)  # a busy broker may end one at its start
        self.assertGreaterEqual(status["tick"], 1)
        self.assertIn("rows_per_second", status)
        self.assertIn("freshness_seconds", status)
        lines = self.producer.command("status").stdout.splitlines()
        self.assertEqual([line.split()[0] for line in lines], list(status))
        metrics = self.read_metrics()
        for name, value in {
            "bitdex_sync_cursor_position": last, "bitdex_sync_max_id": last,
            "bitdex_sync_lag_rows": 0, "bitdex_sync_ops_total": 301, "bitdex_producer_ready": 1,
            "bitdex_producer_dead_letters_total": 1,
        }.items():
            self.assertEqual(metrics[name][1], {name + '{source="default"}': value})
        self.assertGreater(
            sum(metrics["bitdex_sync_cycle_duration_seconds"][1].values()), 0)
        samples = metrics["bitdex_producer_cycle_seconds"][1]
        buckets = [value for key, value in samples.items() if "_bucket" in key]
        self.assertEqual(buckets, sorted(buckets))
        count = samples['bitdex_producer_cycle_seconds_count{source="default"}']
        self.assertEqual(buckets[-1], count)
        self.assertGreaterEqual(count, 1)

    def test_every_line_of_the_log_is_logfmt(self):
        """Every line that the producer logs is valid logfmt, through a start, lost sessions, a stop
        and a refused start."""
        self.start()
        with self.pipeline.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
                " current_database() AND application_name LIKE 'bitdex-producer %'"
            )
            connection.commit()
            self.producer.wait_until(
                lambda: self.status()["sessions"] > 1 and self.status()["state"] == "draining",
                "does not come back")
            self.assertEqual(self.producer.stop(), 0)
            connection.execute('''ALTER SEQUENCE "BitdexOps_id_seq" CACHE 20''')
            connection.commit()
        self.producer.start(wait=False)
        with self.assertRaises(pipeline.PipelineError):  # it refuses to start
            self.producer.wait_until(lambda: False, "")
        lines = self.producer.log.read_text().splitlines()
        self.assertGreater(len(lines), 8)
        for line in lines:
            self.assertRegex(line, LOG_LINE)
            self.assertTrue(LOG_LINE.fullmatch(line), line)
        self.assertIn("level=error", lines[-1])

    def test_f114_reload_and_report(self):
        """SIGHUP puts the log level into effect and names what needs a restart, SIGUSR1 logs the
        status; the producer continues."""
        self.start()
        config = pathlib.Path(self.pipeline.config)
        whole = config.read_text()
        self.addCleanup(config.write_text, whole)
        self.assertNotIn("log:", whole)
        config.write_text(whole.replace("partitions:", "retention_hours: 77, partitions:", 1)
                          + "\nlog: { level: debug }\n")
        for number, line in (
            (signal.SIGHUP, "in effect: log.level"),
            (signal.SIGHUP, "needs a restart: topic.retention_hours"),
            (signal.SIGUSR1, "area=status"),
        ):
            count = self.producer.log.read_text().count(line)
            os.kill(self.producer.pid, number)
            self.producer.wait_until(
                lambda line=line, count=count: self.producer.log.read_text().count(line) > count,
                f"does not log {line}")
        with self.pipeline.connect() as connection:
            self.insert(connection, 10)
            connection.commit()
        self.wait_until_sent()
        self.assertEqual(self.producer.stop(), 0)

    def test_f56_secrets_are_not_shown(self):
        """No command, log, answer or process list shows a password, whether the command works or
        fails."""
        secrets = ["pg-s3cr3t", "kafka-s3cr3t"]
        config = pathlib.Path(self.pipeline.config)
        whole = config.read_text()
        dsn = self.pipeline.dsn
        postgres = [
            f"{dsn} password=pg-s3cr3t",
            re.sub(r"port=\d+", "port=1", dsn) + " password=pg-s3cr3t",
            "postgresql://someone:pg-s3cr3t@127.0.0.1:nonsense/x",
            "password=pg-s3cr3t host=",
            "password='pg-s3cr3t",
        ]
        outputs = []
        for conninfo in postgres:
            text = whole.replace("${BITDEX_POSTGRES}", conninfo)
            text = text.replace(
                "kafka: {", "kafka: { sasl.username: someone, sasl.password: kafka-s3cr3t,")
            self.assertNotEqual(text, whole)
            config.write_text(text)
            for program in (self.producer, self.pipeline.consumer):
                for arguments in (["check"], ["check", "--json"], ["status"], ["config"]):
                    done = program.command(*arguments, check=False)
                    outputs += [done.stdout, done.stderr]
            done = self.producer.command("init", check=False)
            outputs += [done.stdout, done.stderr]
            # Some are refused at once; the program may exit while it answers.
            with contextlib.suppress(pipeline.PipelineError, OSError, http.client.HTTPException):
                self.producer.start()
                self.producer.wait_until(
                    lambda: self.status()["state"] == "draining" or self.status()["error"],
                    "is stuck")
                outputs.append(pathlib.Path(f"/proc/{self.producer.pid}/cmdline").read_text())
                for path in ("/api/status", "/api/ready", "/metrics", "/"):
                    outputs.append(str(self.producer.api.call(path)))
            self.producer.kill()
        outputs.append(self.producer.log.read_text())
        for word in ("draining", "unacknowledged", "level=error"):
            self.assertIn(word, "".join(outputs))
        for secret in secrets:
            for output in outputs:
                self.assertNotIn(secret, output)


class Outages(OutboxCase):
    own_servers = True
    settings = {"chunk_rows": 500}

    def ready(self):
        return self.producer.api.call("/api/ready")

    def check_ready(self):
        self.producer.wait_until(lambda: self.ready()[0] == 200, "does not get ready")
        self.assertTrue(self.ready()[1]["ready"])

    def check_health(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            status, answer = self.producer.api.call("/api/health")
            self.assertEqual(status, 200, answer)
            time.sleep(0.2)

    def test_l9_broker_is_frozen(self):
        """While the broker is frozen the producer is healthy but not ready, and its status shows
        backlog and lag; it is ready again when the broker is back."""
        self.start()
        self.check_ready()
        self.producer.wait_until(  # since a mark was acknowledged
            lambda: self.status()["freshness_seconds"] is not None, "has no freshness")
        with self.pipeline.connect(autocommit=True) as connection:
            self.freeze_broker(lambda: self.insert(connection, 1000), rows=999)
            self.insert(connection, 70)
        self.producer.wait_until(lambda: self.ready()[0] == 503, "is still ready")
        self.assertEqual(self.producer.api.call("/api/health")[0], 200)
        self.producer.wait_until(lambda: self.status()["backlog_rows"] >= 70, "has no backlog")
        self.producer.wait_until(
            lambda: min(self.status()[name] or 0 for name in (  # null: not known yet
                "freshness_seconds", "backlog_seconds")) > 5, "does not fall behind")
        self.assertGreater(self.status()["unacknowledged"], 0)
        self.assertIn("nothing acknowledged", self.ready()[1]["reason"])
        self.kafka.resume()
        self.check_delivery()
        self.check_ready()
        self.producer.wait_until(lambda: self.status()["backlog_rows"] == 0, "has a backlog")

    def test_l9_database_is_frozen_inside_a_window(self):
        """While the drain waits for the database for longer than the health limit, the producer
        stays healthy and is not ready; then it continues the window."""
        self.start()
        with self.pipeline.connect() as locks, self.pipeline.connect() as connection:
            self.insert(connection, 20000)
            connection.execute("""INSERT INTO "BitdexOps" (entity_id, ops) VALUES (1, '{}')""")
            locks.execute("LOCK bitdex_dead_letters")
            connection.commit()
            self.wait_for_session("cursor", wait_event_type="Lock")
            self.check_health(HEALTH_LIMIT_S + 3)
            self.assertEqual(self.ready()[0], 503)
            self.postgres.pause()
            self.check_health(1)
            self.postgres.resume()
        self.check_delivery()
        self.check_ready()


class Consumer(GalleryCase):
    """The metrics and the lag of a consumer."""

    def read_metrics(self):
        _, text = self.pipeline.api.call("/metrics")
        return parse_metrics(re.sub(r"(?m)^(\w+)( [^ ]+)$", r'\1{all="1"}\2', text))

    def test_metrics_and_lag_agree(self):
        """The metrics show the offsets and numbers of sync-lag, and every stage was timed."""
        self.create_gallery()
        self.pipeline.wait_until_fresh()
        self.pipeline.producer.stop()
        commits = 'bitdex_consumer_stage_seconds_count{stage="commit"}'
        self.pipeline.consumer.wait_until(
            lambda: self.read_metrics()["bitdex_consumer_stage_seconds"][1][commits] > 0,
            "commits nothing")
        metrics = self.read_metrics()
        partitions = self.pipeline.partitions()
        for name, key in {
            "bitdex_consumer_offset": "offset", "bitdex_consumer_seq": "seq",
            "bitdex_consumer_losses": "losses", "bitdex_consumer_missing_events": "missing",
            "bitdex_shard_complete": "complete",
        }.items():
            shown = {f'{name}{{partition="{p["partition"]}"}}': p[key] for p in partitions}
            if key == "offset":  # the last watermarks may still come
                self.assertEqual(list(metrics[name][1]), list(shown))
            else:
                self.assertEqual(metrics[name][1], shown)
        for name in ("records", "bytes", "events", "ops"):
            samples = metrics[f"bitdex_consumer_{name}_total"][1]
            self.assertGreater(min(samples.values()), 0)
        stages = metrics["bitdex_consumer_stage_seconds"][1]
        for stage in ("read", "decode", "write", "sync", "apply", "commit"):
            self.assertGreater(
                stages[f'bitdex_consumer_stage_seconds_count{{stage="{stage}"}}'], 0, stage)

    def test_every_field_is_complete(self):
        """When everything was read from an empty source on, readiness lists no field, and the
        metrics show each field and existence as complete."""
        self.create_gallery()
        self.pipeline.wait_until_fresh()
        status, answer = self.pipeline.api.call("/api/ready")
        self.assertEqual((status, answer["ready"], answer["incomplete_fields"]), (200, True, []))
        stats = self.pipeline.api.get("/api/indexes/gallery/stats")
        self.assertEqual(stats["incomplete_fields"], [])
        fields = self.read_metrics()["bitdex_field_complete"][1]
        self.assertEqual(set(fields.values()), {1})
        for name in ("alive", "nsfwLevel", "tagIds", "sortAt"):
            self.assertIn(f'bitdex_field_complete{{field="{name}"}}', fields)

    def test_a_field_that_is_added_is_listed_and_ends_no_readiness(self):
        """A field that is added to the index and to a trigger is incomplete: readiness lists it
        with the command that loads it and stays 200, its metric is 0, and only the queries that
        use it answer that they are incomplete."""
        config = self.pipeline.config
        text = config.read_text()
        without = text
        for part in ("    - { name: minor, field_type: boolean }\n", " minor,"):
            self.assertEqual(without.count(part), 1)
            without = without.replace(part, "")
        config.write_text(without)
        self.create_gallery()
        self.pipeline.wait_until_fresh()
        self.assertEqual(self.pipeline.api.get("/api/ready")["incomplete_fields"], [])
        config.write_text(text)
        consumer, producer = self.pipeline.consumer, self.pipeline.producer
        for program in (consumer, producer):
            self.assertEqual(program.stop(), 0)
        gallery.create_triggers(self.pipeline)
        for program in (producer, consumer):
            program.start()
        self.pipeline.wait_until_fresh()
        consumer.wait_until(
            lambda: self.pipeline.api.call("/api/ready")[0] == 200, "does not get ready")
        (field,) = self.pipeline.api.get("/api/ready")["incomplete_fields"]
        self.assertEqual((field["field"], field["partitions"]), ("minor", [0, 1, 2, 3]))
        self.assertIn("bitdex-producer load --fields minor", field["reason"])
        shown = consumer.command("status").stdout
        self.assertIn("incomplete field minor, partition 0, 1, 2, 3:\n", shown)
        _, page = self.pipeline.api.call("/")
        self.assertIn("INCOMPLETE field minor: ", page)
        metrics = self.read_metrics()
        fields = metrics["bitdex_field_complete"][1]
        self.assertEqual(fields['bitdex_field_complete{field="minor"}'], 0)
        self.assertEqual(fields['bitdex_field_complete{field="poi"}'], 1)
        self.assertEqual(fields['bitdex_field_complete{field="alive"}'], 1)
        self.assertEqual(set(metrics["bitdex_shard_complete"][1].values()), {0})
        for name, complete in (("minor", False), ("poi", True)):
            reply = self.pipeline.query({"filters": [{"Eq": [name, {"Bool": False}]}], "limit": 1})
            self.assertEqual(reply["complete"], complete, name)
            self.check_documents(name, complete)
        self.check_documents(True, False)

    def check_documents(self, fields, complete):
        """Answers with documents say whether the fields of the documents are complete."""
        chosen = fields if fields is True else [fields]
        reply = self.pipeline.query({"include_docs": chosen, "limit": 1})
        self.assertEqual(reply["complete"], complete, fields)
        path = "/api/indexes/gallery/document"
        reply = self.pipeline.api.get(f"{path}s", {"ids": [1, 2, 3], "fields": chosen})
        self.assertEqual(reply["complete"], complete, fields)
        body = json.dumps({"slot_id": 1, "fields": chosen}).encode()
        url = f"http://{servers.LOOPBACK}:{self.pipeline.consumer.port}{path}"
        with urllib.request.urlopen(url, body) as answer:
            self.assertEqual(answer.headers["Bitdex-Complete"], str(complete).lower())

    def test_cursors_are_the_greatest_applied_row_ids(self):
        """There is a cursor for each partition, with the greatest row id that it has applied; one
        alone is found by its name, and another name is not found."""
        self.create_gallery()
        self.pipeline.wait_until_fresh()
        path = "/api/indexes/gallery/cursors"
        expected = [
            {"name": f"default:{partition['partition']}", "value": partition["last_row_id"]}
            for partition in self.pipeline.partitions()]
        with self.pipeline.connect() as connection:
            (last,) = connection.execute('SELECT max(id) FROM "BitdexOps"').fetchone()
        self.assertEqual(len(expected), 4)
        self.assertEqual(max(cursor["value"] for cursor in expected), last)
        self.assertEqual(self.pipeline.api.get(path), {"cursors": expected})
        for cursor in expected:
            self.assertEqual(self.pipeline.api.get(f"{path}/{cursor['name']}"), cursor)
        status, answer = self.pipeline.api.call(f"{path}/default:4")
        self.assertEqual((status, answer), (404, {"error": "Cursor 'default:4' not found"}))

    def test_f49_lag_when_the_drain_has_stopped(self):
        """When the drain has stopped, the lag in rows is 0 and never negative, and the lag in
        seconds grows."""
        self.create_gallery()
        self.pipeline.wait_until_fresh()
        self.pipeline.producer.stop()
        for least_s in (1, 2, 3):
            self.pipeline.consumer.wait_until(
                lambda least_s=least_s: all(
                    (p["lag_seconds"] or 0) > least_s and p["lag_rows"] == 0
                    for p in self.pipeline.partitions()),
                "has a lag that does not grow")
            samples = self.read_metrics()["bitdex_freshness_seconds"][1]
            self.assertEqual(len(samples), 4)
            self.assertGreater(min(samples.values()), least_s)

    def test_f42_worker_that_cannot_write_ends_the_process(self):
        """When a partition's directory is gone and a new segment is due, the process exits with an
        error that names the partition and the reason."""
        text = self.pipeline.config.read_text()
        self.pipeline.config.write_text(
            text.replace("\nconsumer:\n", "\nconsumer:\n  wal_segment_bytes: 65536\n"))
        self.create_gallery()
        self.pipeline.wait_until_fresh()
        consumer = self.pipeline.consumer
        home = pathlib.Path(self.pipeline.variables["BITDEX_DATA_DIR"])
        shutil.rmtree(home / f"{self.pipeline.topic}-0")
        with self.pipeline.connect() as connection:
            connection.execute(
                """INSERT INTO "BitdexOps" (entity_id, ops) SELECT n, '[{"op": "alive"}]'"""
                " FROM generate_series(1000, 20000) AS n")
        self.assertEqual(consumer.wait(), 1)
        self.assertIn("partition 0", consumer.log_tail(1))
        self.assertIn("No such file", consumer.log_tail(1))


if __name__ == "__main__":
    unittest.main()
