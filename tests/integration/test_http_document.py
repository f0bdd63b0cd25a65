"""docs/http.md, followed to the letter: every call of it is made in its order, against both
programs and the README's shop, and answers as the document says.

An answer of the document has the same members as the real one, in the same types, and the same
values except for those of VARYING, which no two runs share.
"""

import http.client
import json
import re
import shlex
import time
import unittest

import servers
from case import GalleryCase
from pipeline import ROOT

TOKEN = "correct-horse"
DOCUMENT = ROOT / "docs" / "http.md"
# A call and its answer: a block of sh, and the next block, which names the status.
EXAMPLE = re.compile(r"^```sh\n(curl .*?)^```\n```(json|text) (\d+)\n(.*?)^```$", re.M | re.S)
HEADING = re.compile(r"^### ([A-Z]+ /\S*)( \(producer\))?$", re.M)
MORE = "..."  # at the end of a list: there are more items like the last one
VARYING = {
    "elapsed_us", "memory_bytes", "bytes_written", "created_at", "completed_at", "clock",
    "member", "offset", "durable_offset", "committed_offset", "cursor_table_offset",
    "high_offset", "lag_rows", "lag_seconds", "tick", "seq", "value", "last_row_id",
    "max_row_id", "wal_bytes", "oldest_s", "verify_oldest_seconds", "pause_seconds", "rows",
    "events", "marks", "bytes", "polls", "sessions", "rows_per_second", "freshness_seconds",
    "backlog_rows", "backlog_seconds", "unacknowledged", "last_acknowledged", "generation",
    "epoch", "cursor", "max_id", "refresh_requests", "refresh_answers", "refresh_owed",
    "snapshot",
    "refresh_oldest_owed_seconds", "owed_refreshes", "unanswered_refreshes", "removed_rows",
    "removal_held_s", "removal_held_by", "checked_to", "ops_processed",
}


def list_examples():
    """[(command, language, status, answer)] of the document."""
    return EXAMPLE.findall(DOCUMENT.read_text())


def parse_curl(command):
    """(method, port, path, headers, body) of a curl command."""
    words = shlex.split(command.replace("$TOKEN", TOKEN))
    method, headers, body, url = None, {}, None, None
    at = 1
    while at < len(words):
        if words[at] in ("-H", "-X", "-d"):
            option, value = words[at], words[at + 1]
            at += 2
            if option == "-H":
                name, _, text = value.partition(": ")
                headers[name] = text
            elif option == "-X":
                method = value
            else:
                body = value
        else:
            url = words[at]
            at += 1
    port, path = re.fullmatch(r"http://127\.0\.0\.1:(\d+)(/.*)", url).groups()
    return method or ("GET" if body is None else "POST"), int(port), path, headers, body


def kind_of(value):
    """Types that an answer may not exchange; null may stand for what is not known."""
    return float if type(value) is int else type(value)


def compare(shown, real, key="", path="answer"):
    """Raises unless the document's value is like the real one."""
    if isinstance(shown, dict) and isinstance(real, dict):
        assert list(shown) == list(real), f"{path}: {list(shown)} in the document, {list(real)}"
        for name in shown:
            compare(shown[name], real[name], name, f"{path}.{name}")
    elif isinstance(shown, list) and isinstance(real, list):
        has_more = bool(shown) and shown[-1] == MORE
        shown = shown[:-1] if has_more else shown
        assert len(real) > len(shown) if has_more else len(real) == len(shown), (path, real)
        for at, item in enumerate(shown):
            compare(item, real[at], key, f"{path}[{at}]")
    elif key in VARYING:
        assert None in (shown, real) or kind_of(shown) is kind_of(real), (path, shown, real)
    else:
        assert type(shown) is type(real) and shown == real, f"{path}: {shown!r}, but {real!r}"


class Document(GalleryCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.work.mkdir(parents=True, exist_ok=True)
        token = cls.work / "token"
        token.write_text(f"{TOKEN}\n")
        token.chmod(0o600)
        cls.sections = {"consumer": {"token_file": str(token)}}

    def start_shop(self):
        """The README's tables, index of orders and configuration, and the document's rows."""
        page = (ROOT / "README.md").read_text()
        schema = re.search(r"^```sql\n(CREATE TABLE categories.*?)^```$", page, re.M | re.S)[1]
        config = re.search(r"^# shop\.yaml\n.*?(^triggers:.*?)^```$", page, re.M | re.S)[1]
        rows = re.search(r"^```sql\n(INSERT .*?)^```$", DOCUMENT.read_text(), re.M | re.S)[1]
        text = self.pipeline.config.read_text()
        self.pipeline.config.write_text(text.replace("index: gallery", "index: shop"))
        self.create_schema(schema, config)
        self.execute(re.search(r"CREATE INDEX .*\)", page)[0])
        self.pipeline.start()
        self.execute(rows)
        self.pipeline.wait_until_fresh()
        self.pipeline.producer.command("verify", "--group", self.pipeline.name)

    def call(self, command):
        """(status, text) of the call; names of this test are those of the document in the text."""
        ports = {8080: self.pipeline.consumer.port, 8081: self.pipeline.producer.port}
        method, port, path, headers, body = parse_curl(command)
        connection = http.client.HTTPConnection(servers.LOOPBACK, ports[port], timeout=120)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            status, text = answer.status, answer.read().decode()
        finally:
            connection.close()
        for here, shown in ((self.pipeline.topic, "shop.ops"), (self.pipeline.name, "shop-a")):
            text = text.replace(here, shown)
        return status, text

    def check_answer(self, language, shown, real):
        if language == "json" and shown:
            compare(json.loads(shown), json.loads(real))
        elif language == "json":
            self.assertEqual(real, "")
        else:
            real, shown = (re.sub(r"[\d.]+", "0", text).splitlines() for text in (real, shown))
            for line in shown:
                self.assertIn(line, real)

    def test_every_example_answers_as_shown(self):
        """Each call of docs/http.md has the answer that follows it."""
        self.start_shop()
        examples = list_examples()
        self.assertEqual(len(examples), DOCUMENT.read_text().count("\ncurl "))
        for example in examples:
            with self.subTest(example[0]):
                self.check_example(*example)
        self.check_routes()

    def check_example(self, command, language, wanted, shown):
        """What changes nothing is asked again when a busy server has answered otherwise."""
        deadline = time.monotonic() + 120
        method, _, path, _, _ = parse_curl(command)
        while True:
            status, real = self.call(command)
            try:
                self.assertEqual(status, int(wanted), real)
                self.check_answer(language, shown, real)
                return
            except AssertionError:
                if (method != "GET" and not path.endswith("/query")) or (
                        time.monotonic() > deadline):
                    raise
            time.sleep(0.5)

    def check_routes(self):
        """The document has a section with an example for each route, and none for another."""
        text = DOCUMENT.read_text()
        described = {(where != "", route) for route, where in HEADING.findall(text)}
        routes = set()
        for is_producer, program in enumerate((self.pipeline.consumer, self.pipeline.producer)):
            status, answer = program.api.call("/no/such/path")
            self.assertEqual(status, 404)
            routes |= {(bool(is_producer), route) for route in answer["routes"]}
        self.assertEqual(described, routes)
        for section in re.split(r"^##+ ", text, flags=re.M):
            if HEADING.match(f"### {section.splitlines()[0]}"):
                self.assertRegex(section, EXAMPLE)


class Comparison(unittest.TestCase):
    def test_differences_are_found(self):
        """A member too many or too few, another order, type or value, or a shorter list is a
        difference; a value that varies is not."""
        compare({"a": 1, "elapsed_us": 7}, {"a": 1, "elapsed_us": 9})
        compare([1, MORE], [1, 2])
        for shown, real in (
            ({"a": 1}, {"a": 1, "b": 2}), ({"a": 1, "b": 2}, {"a": 1}), ({"a": 1}, {"a": 2}),
            ({"a": 1, "b": 2}, {"b": 2, "a": 1}), ([1], [1, 2]), ([1, MORE], [1]),
            ({"elapsed_us": 7}, {"elapsed_us": "7"}), ({"a": 1}, {"a": True}),
            ({"a": []}, {"a": None}),
        ):
            with self.subTest(shown), self.assertRaises(AssertionError):
                compare(shown, real)


if __name__ == "__main__":
    unittest.main()
