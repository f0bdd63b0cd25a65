"""The compose file and the Kubernetes manifests, against their schemas and a linter."""

import pathlib
import subprocess
import sys
import unittest

import kubernetes_validate
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
MANIFESTS = ROOT / "docker" / "kubernetes"
BIN = pathlib.Path(sys.executable).parent
# What the linter asks for and these manifests do not do, with the reason.
ALLOWED = {
    "CKV_K8S_11": "a CPU limit throttles a consumer that catches up; requests are set",
    "CKV_K8S_15": "images are named by version, so a pulled one is never stale",
    "CKV2_K8S_6": "who may reach the programs depends on the operator's network",
    "CKV_K8S_21": "the namespace is the operator's choice: kubectl --namespace",
    "CKV_K8S_35": "libpq reads the password from the configuration, which reads the environment",
    "CKV_K8S_43": "the images are built locally and have no digest to name",
}


def documents():
    for path in sorted(MANIFESTS.glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            yield path.name, document


class Manifests(unittest.TestCase):
    def test_schema(self):
        """Every manifest is valid for the newest version of Kubernetes, without unknown keys."""
        newest = kubernetes_validate.latest_version()
        kinds = []
        for name, document in documents():
            kubernetes_validate.validate(document, newest, strict=True)
            kinds.append(document["kind"])
        print(f"  manifests: valid: {', '.join(kinds)}", flush=True)
        expected = {"StatefulSet", "Deployment", "PodDisruptionBudget", "Service", "ConfigMap"}
        self.assertLessEqual(expected, set(kinds))

    def test_linter(self):
        """A linter of security and reliability finds nothing but what is allowed with a reason."""
        command = [BIN / "checkov", "--framework", "kubernetes", "--quiet", "--compact",
                   "--skip-download",
                   "--skip-check", ",".join(ALLOWED), "--directory", MANIFESTS]
        done = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(0, done.returncode, done.stdout)
        print("  manifests: the linter has no finding", flush=True)

    def test_what_the_programs_need(self):
        """Probes, volumes and the strategy are those that the programs are made for."""
        found = {document["kind"]: document for _, document in documents()}
        deployment, stateful = found["Deployment"]["spec"], found["StatefulSet"]["spec"]
        self.assertEqual(2, deployment["replicas"])
        self.assertEqual({"type": "Recreate"}, deployment["strategy"])
        for spec in (deployment, stateful):
            container = spec["template"]["spec"]["containers"][0]
            self.assertEqual("/api/health", container["livenessProbe"]["httpGet"]["path"])
            self.assertEqual("/api/ready", container["readinessProbe"]["httpGet"]["path"])
            self.assertTrue(container["securityContext"]["readOnlyRootFilesystem"])
        self.assertEqual("data", stateful["volumeClaimTemplates"][0]["metadata"]["name"])

    def test_compose(self):
        """The compose file resolves: a producer, group a with two members, group b with one."""
        command = [BIN / "podman-compose", "-f", ROOT / "docker" / "compose.yaml", "config"]
        done = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(0, done.returncode, done.stderr)
        services = yaml.safe_load(done.stdout)["services"]
        groups = {}
        for name, service in services.items():
            if name.startswith("consumer"):
                environment = service["environment"]
                if isinstance(environment, list):
                    environment = dict(line.split("=", 1) for line in environment)
                groups.setdefault(environment["BITDEX_GROUP"], []).append(name)
        self.assertEqual({"a": 2, "b": 1}, {name: len(members) for name, members in groups.items()})
        self.assertLessEqual({"postgres", "kafka", "producer"}, set(services))
        print(f"  manifests: compose has {', '.join(services)}", flush=True)


if __name__ == "__main__":
    unittest.main()
