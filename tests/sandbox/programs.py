"""The command lines of the control plane's programs (pure)."""

from dataclasses import dataclass
from pathlib import Path

from sandbox.certificates import KeyPair

ISSUER = "https://kubernetes.default.svc"
# What the sandbox has a use for. The protection controllers take off the finalizers that admission puts on claims.
CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "cronjob-controller",
    "disruption-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "node-lifecycle-controller",
    "persistentvolume-binder-controller",
    "persistentvolume-protection-controller",
    "persistentvolumeclaim-protection-controller",
    "pod-garbage-collector-controller",
    "resourcequota-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "taint-eviction-controller",
    "ttl-after-finished-controller",
)
# A node is missed after 8 s of silence and its pods are evicted 10 s later; real clusters take 50 s and 5 minutes.
NODE_GRACE_SECONDS = 8
TOLERATION_SECONDS = 10


@dataclass(frozen=True)
class Layout:
    """Where the programs of one sandbox find each other."""

    data: Path
    etcd_port: int
    api_port: int
    ca: Path
    etcd_serving: KeyPair
    etcd_client: KeyPair
    serving: KeyPair
    kubelet_client: KeyPair
    service_account_key: Path

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.api_port}"

    @property
    def etcd_url(self) -> str:
        return f"https://127.0.0.1:{self.etcd_port}"


def etcd(layout: Layout) -> list[str]:
    return [
        "etcd",
        f"--data-dir={layout.data / 'etcd'}",
        f"--listen-client-url={layout.etcd_url}",
        f"--cert-file={layout.etcd_serving.certificate}",
        f"--key-file={layout.etcd_serving.key}",
        f"--trusted-ca-file={layout.ca}",
    ]


def kube_apiserver(layout: Layout) -> list[str]:
    return [
        "kube-apiserver",
        f"--etcd-servers={layout.etcd_url}",
        f"--etcd-certfile={layout.etcd_client.certificate}",
        f"--etcd-keyfile={layout.etcd_client.key}",
        f"--etcd-cafile={layout.ca}",
        "--bind-address=127.0.0.1",
        f"--secure-port={layout.api_port}",
        f"--tls-cert-file={layout.serving.certificate}",
        f"--tls-private-key-file={layout.serving.key}",
        f"--client-ca-file={layout.ca}",
        f"--kubelet-client-certificate={layout.kubelet_client.certificate}",
        f"--kubelet-client-key={layout.kubelet_client.key}",
        "--authorization-mode=Node,RBAC",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={layout.service_account_key}",
        f"--service-account-signing-key-file={layout.service_account_key}",
        "--service-cluster-ip-range=10.96.0.0/16",
        # The loopback address is no valid endpoint, and nothing here needs the kubernetes Service.
        "--endpoint-reconciler-type=none",
        f"--default-not-ready-toleration-seconds={TOLERATION_SECONDS}",
        f"--default-unreachable-toleration-seconds={TOLERATION_SECONDS}",
        "--profiling=false",
    ]


def kube_controller_manager(layout: Layout, kubeconfig: Path) -> list[str]:
    return [
        "kube-controller-manager",
        f"--kubeconfig={kubeconfig}",
        f"--controllers={','.join(CONTROLLERS)}",
        f"--root-ca-file={layout.ca}",
        f"--service-account-private-key-file={layout.service_account_key}",
        "--leader-elect=false",
        "--secure-port=0",
        # The default of 20 requests a second makes 8 pods a second.
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        "--node-monitor-period=1s",
        f"--node-monitor-grace-period={NODE_GRACE_SECONDS}s",
        "--pvclaimbinder-sync-period=2s",
    ]


def kube_scheduler(kubeconfig: Path) -> list[str]:
    return [
        "kube-scheduler",
        f"--kubeconfig={kubeconfig}",
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
    ]
