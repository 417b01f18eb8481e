"""The manifests: kustomize renders them, what they say of each other and of the server is true, and
the load test's worker does its work. No cluster and no schema is here: fields that Kubernetes does
not know would not be noticed."""

import functools
import json
import os
import re
import subprocess
import time
import unittest

import deploying
from deploying import DEPLOY, RINGLOAD, RINGSERVE, find, get, metrics_of, output_of, process

try:
    import yaml
except ImportError:
    yaml = None

KUBERNETES = DEPLOY / "kubernetes"
SERVED = ("base", "overlays/development", "overlays/production")
# Those that pods may set where no kubelet was told otherwise, from Kubernetes 1.29 on.
SAFE_SYSCTLS = {"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
                "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start",
                "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time",
                "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
                "net.ipv4.tcp_keepalive_probes"}
KINDS = {"Deployment": "apps/v1", "Service": "v1", "ConfigMap": "v1", "Namespace": "v1",
         "PodDisruptionBudget": "policy/v1", "HorizontalPodAutoscaler": "autoscaling/v2",
         "NetworkPolicy": "networking.k8s.io/v1", "Job": "batch/v1"}
REQUESTS = 300


@functools.cache
def rendered(name):
    """{kind: [manifest]}: a kind without manifests is empty."""
    text = output_of([find("kubectl"), "kustomize", KUBERNETES / name])
    found = {kind: [] for kind in KINDS}
    for manifest in yaml.safe_load_all(text):
        found[manifest["kind"]].append(manifest)
    return found


def pod_of(manifests):
    workload = (manifests["Deployment"] + manifests["Job"])[0]
    return workload["spec"]["template"]


def setting(toml, name):
    return int(re.search(rf"(?m)^{name} = (\d+)", toml)[1])


def config_of(manifests):
    return next(one["data"]["ringserve.toml"] for one in manifests["ConfigMap"]
                if "ringserve.toml" in one["data"])


@unittest.skipIf(yaml is None, "python3-yaml is not installed")
class ManifestsTest(unittest.TestCase):
    def test_all_are_of_kinds_that_are_there(self):
        for name in (*SERVED, "load"):
            for kind, found in rendered(name).items():
                for manifest in found:
                    self.assertEqual(manifest["apiVersion"], KINDS[kind])

    def test_production_has_all_parts_and_development_few(self):
        counts = {kind: len(found) for kind, found in rendered("overlays/production").items()}
        for kind in set(KINDS) - {"Job", "ConfigMap"}:
            self.assertEqual(counts[kind], 1, kind)
        small = rendered("overlays/development")
        self.assertEqual(small["HorizontalPodAutoscaler"] + small["PodDisruptionBudget"], [])
        self.assertEqual(small["Deployment"][0]["spec"]["replicas"], 1)
        # Else a rollout would undo what the autoscaler did.
        self.assertNotIn("replicas", rendered("overlays/production")["Deployment"][0]["spec"])

    def test_what_refers_to_another_finds_it(self):
        for name in SERVED:
            manifests = rendered(name)
            deployment, pod = manifests["Deployment"][0], pod_of(manifests)
            labels = pod["metadata"]["labels"].items()
            service = manifests["Service"][0]["spec"]
            for selector in (deployment["spec"]["selector"]["matchLabels"], service["selector"]):
                self.assertLessEqual(selector.items(), labels)
            ports = {port["name"] for container in pod["spec"]["containers"]
                     for port in container["ports"]}
            self.assertLessEqual({port["targetPort"] for port in service["ports"]}, ports)
            for autoscaler in manifests["HorizontalPodAutoscaler"]:
                self.assertEqual(autoscaler["spec"]["scaleTargetRef"]["name"],
                                 deployment["metadata"]["name"])
            for budget in manifests["PodDisruptionBudget"]:
                self.assertLessEqual(budget["spec"]["selector"]["matchLabels"].items(), labels)
            policy = manifests["NetworkPolicy"][0]["spec"]
            self.assertLessEqual(policy["podSelector"].get("matchLabels", {}).items(), labels)
            self.assert_volumes_are_there(manifests)
        self.assert_volumes_are_there(rendered("load"))

    def assert_volumes_are_there(self, manifests):
        spec = pod_of(manifests)["spec"]
        maps = {one["metadata"]["name"] for one in manifests["ConfigMap"]}
        volumes = {volume["name"] for volume in spec["volumes"]}
        self.assertLessEqual({volume["configMap"]["name"] for volume in spec["volumes"]}, maps)
        for container in spec["containers"]:
            mounted = {mount["name"] for mount in container["volumeMounts"]}
            self.assertEqual(mounted, volumes)
            for source in container.get("envFrom", []):
                self.assertIn(source["configMapRef"]["name"], maps)

    def test_pods_keep_the_restricted_standard_and_have_the_ring(self):
        for name in (*SERVED, "load"):
            spec = pod_of(rendered(name))["spec"]
            self.assertTrue(spec["securityContext"]["runAsNonRoot"])
            self.assertEqual(spec["securityContext"]["seccompProfile"],
                             {"type": "Localhost", "localhostProfile": "profiles/ringserve.json"})
            for container in spec["containers"]:
                self.assertEqual(container["securityContext"], {
                    "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]}})
            names = {sysctl["name"] for sysctl in spec["securityContext"]["sysctls"]}
            self.assertLessEqual(names, SAFE_SYSCTLS)

    def test_there_is_time_to_drain(self):
        for name in SERVED:
            manifests = rendered(name)
            spec = pod_of(manifests)["spec"]
            before_s = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
            self.assertGreater(spec["terminationGracePeriodSeconds"],
                               before_s + setting(config_of(manifests), "drain-timeout-s"))

    def test_there_is_a_thread_for_each_cpu(self):
        for name in SERVED:
            manifests = rendered(name)
            limits = pod_of(manifests)["spec"]["containers"][0]["resources"]["limits"]
            self.assertEqual(int(limits["cpu"]), setting(config_of(manifests), "threads"), name)

    def test_the_image_is_named_by_a_version(self):
        for name in (*SERVED[1:], "load"):
            image = pod_of(rendered(name))["spec"]["containers"][0]["image"]
            self.assertRegex(image, r":[\w.]+$")
            self.assertFalse(image.endswith(":latest"))

    def test_the_load_starts_all_its_workers_at_once(self):
        job = rendered("load")["Job"][0]["spec"]
        self.assertEqual(job["completionMode"], "Indexed")
        self.assertEqual(job["parallelism"], job["completions"])
        collect = (KUBERNETES / "load" / "collect").read_text()
        indexes = re.search(r"for index in ([\d ]+);", collect)[1].split()
        self.assertEqual(indexes, [str(index) for index in range(job["completions"])])

    def test_start_puts_the_moment_where_workers_read_it(self):
        text = output_of([find("kubectl"), "kustomize", KUBERNETES / "load"])
        pattern = re.search(r"s/(START: .*?)/START", (KUBERNETES / "load" / "start").read_text())[1]
        self.assertIn(pattern.replace("\\", ""), text)


@unittest.skipIf(yaml is None, "python3-yaml is not installed")
class ServedTest(deploying.support.ClientTest):
    """The server with the configurations of the manifests."""

    def config(self, name):
        text = (KUBERNETES / name / "ringserve.toml").read_text()
        text = re.sub(r'"0\.0\.0\.0:\d+"', '"127.0.0.1:0"', text)
        return text.replace("/srv/www", str(self.root))

    def test_configurations_are_good(self):
        for name in ("base", "overlays/production"):
            path = self.directory / "checked.toml"
            path.write_text(self.config(name))
            output_of([RINGSERVE, "check", path])

    def test_probes_ask_for_what_is_served(self):
        self.fill("index.html", 100)
        server = self.serve_config(self.config("base").replace('access-log = "-"', ""))
        admin = server.process.stdout.readline().split()[1].decode()
        container = pod_of(rendered("base"))["spec"]["containers"][0]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            asked = container[probe]["httpGet"]
            self.assertEqual(asked["port"], "admin")
            self.assertEqual(get(f"http://{admin}{asked['path']}"), b"ok\n")
        rule = yaml.safe_load((KUBERNETES / "adapter.yaml").read_text())["rules"]["custom"][0]
        families = metrics_of(admin)
        for name in set(re.findall(r"ringserve_\w+", rule["metricsQuery"] + rule["seriesQuery"])):
            self.assertIn(name, families)
        wanted = rendered("base")["HorizontalPodAutoscaler"][0]["spec"]["metrics"][0]["pods"]
        self.assertEqual(wanted["metric"]["name"], rule["name"]["as"])


class WorkerTest(deploying.support.ClientTest):
    """load/worker, as the pods run it, and what collect does with the results."""

    def worker(self, index, start, url):
        environment = {**os.environ, "START": str(start), "URL": url, "RINGLOAD": RINGLOAD,
                       "OPTIONS": f"-c 4 -n {REQUESTS}", "JOB_COMPLETION_INDEX": str(index)}
        return subprocess.Popen(["/bin/sh", KUBERNETES / "load" / "worker"], env=environment,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                preexec_fn=process.die_with_parent)

    def test_workers_begin_at_the_shared_moment_and_their_results_are_joined(self):
        self.fill("page.txt", 1000)
        url = self.serve().url("/page.txt")
        start = int(time.time()) + 2
        workers = [self.worker(index, start, url) for index in range(2)]
        files = []
        for index, worker in enumerate(workers):
            result, said = worker.communicate(timeout=deploying.DEADLINE_S)
            self.assertEqual(worker.returncode, 0, said)
            files.append(self.directory / f"{index}.json")
            files[-1].write_text(result)
            self.assertEqual(json.loads(result)["requests"], REQUESTS)
        self.assertGreaterEqual(time.time(), start)
        joined = self.directory / "joined.json"
        output_of([RINGLOAD, "merge", *files, "--json", joined])
        self.assertEqual(json.loads(joined.read_text())["requests"], 2 * REQUESTS)

    def test_a_worker_that_comes_too_late_says_so(self):
        worker = self.worker(3, 1, "http://127.0.0.1:1/")
        _, said = worker.communicate(timeout=deploying.DEADLINE_S)
        self.assertEqual(worker.returncode, 1)
        self.assertRegex(said, r"worker 3: START was \d+ ms ago")


if __name__ == "__main__":
    deploying.main()
