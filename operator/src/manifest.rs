//! `operator.yaml`: everything an empty Kubernetes needs to run the operator, with no more rights than it uses.

use serde_json::{Value, json};

use crate::cluster::names::{MANAGER, USER};
use crate::crds;

/// Namespace of the operator in `operator.yaml`.
const NAMESPACE: &str = "concord-system";

/// The operator's rights in every namespace.
pub fn rules() -> Value {
    let write = json!(["get", "list", "watch", "create", "patch", "delete"]);
    json!([
        {"apiGroups": ["concord.dev"], "resources": ["consulclusters"], "verbs": ["get", "list", "watch", "patch"]},
        {"apiGroups": ["concord.dev"], "resources": ["consulclusters/status"], "verbs": ["patch"]},
        {"apiGroups": ["concord.dev"], "resources": ["consulclusters/finalizers"], "verbs": ["update"]},
        {"apiGroups": ["apps"], "resources": ["statefulsets", "daemonsets"], "verbs": write},
        {"apiGroups": [""], "resources": ["services", "configmaps", "serviceaccounts"], "verbs": write},
        {"apiGroups": ["policy"], "resources": ["poddisruptionbudgets"], "verbs": write},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "delete"]},
        {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
        {
            "apiGroups": ["apiextensions.k8s.io"],
            "resources": ["customresourcedefinitions"],
            "resourceNames": ["consulclusters.concord.dev"],
            "verbs": ["get", "patch"],
        },
    ])
}

/// The operator's rights on CoreDNS's ConfigMap, in `kube-system`.
pub fn core_dns_rules() -> Value {
    json!([{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["coredns"], "verbs": ["get", "update"]}])
}

/// All objects of `operator.yaml`, in the order to apply them.
///
/// The definition comes first, so that it is served by the time the last object is applied.
pub fn objects(image: &str) -> Result<Vec<Value>, serde_json::Error> {
    let crd = serde_json::to_value(crds::consul_cluster())?;
    let labels = json!({"app.kubernetes.io/name": MANAGER});
    let object = |api: &str, kind: &str, name: &str, namespace: Option<&str>| {
        let mut metadata = json!({"name": name});
        if let Some(namespace) = namespace {
            metadata["namespace"] = namespace.into();
        }
        metadata["labels"] = labels.clone();
        json!({"apiVersion": api, "kind": kind, "metadata": metadata})
    };
    let rbac = "rbac.authorization.k8s.io/v1";
    let subject = json!([{"kind": "ServiceAccount", "name": MANAGER, "namespace": NAMESPACE}]);
    let reference = |kind: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": MANAGER});
    let mut role = object(rbac, "ClusterRole", MANAGER, None);
    role["rules"] = rules();
    let mut binding = object(rbac, "ClusterRoleBinding", MANAGER, None);
    binding["roleRef"] = reference("ClusterRole");
    binding["subjects"] = subject.clone();
    let mut dns_role = object(rbac, "Role", MANAGER, Some("kube-system"));
    dns_role["rules"] = core_dns_rules();
    let mut dns_binding = object(rbac, "RoleBinding", MANAGER, Some("kube-system"));
    dns_binding["roleRef"] = reference("Role");
    dns_binding["subjects"] = subject;
    let mut deployment = object("apps/v1", "Deployment", MANAGER, Some(NAMESPACE));
    deployment["spec"] = deployment_spec(image, &labels);
    Ok(vec![
        crd,
        object("v1", "Namespace", NAMESPACE, None),
        object("v1", "ServiceAccount", MANAGER, Some(NAMESPACE)),
        role,
        binding,
        dns_role,
        dns_binding,
        deployment,
    ])
}

fn deployment_spec(image: &str, labels: &Value) -> Value {
    let container = json!({
        "name": "operator",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/consul-operator", "run"],
        "env": [{"name": "CONCORD_IMAGE", "value": image}],
        "ports": [{"name": "health", "containerPort": 8080}],
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "health"}},
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "health"}, "periodSeconds": 2},
        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        },
    });
    json!({
        "replicas": 1,
        // Two operators at once would race: the old one ends before the new one starts.
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "serviceAccountName": MANAGER,
                "securityContext": {
                    "runAsNonRoot": true,
                    "runAsUser": USER,
                    "runAsGroup": USER,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [container],
            },
        },
    })
}
