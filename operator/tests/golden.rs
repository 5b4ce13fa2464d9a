//! The objects built for a few specs, as files under `tests/golden`. `UPDATE_GOLDEN=1 cargo test -p operator`
//! writes them anew; the difference is then for a person to look at.

use std::path::Path;

use k8s_openapi::api::apps::v1::{DaemonSet, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use operator::api::ConsulCluster;
use operator::cluster::build::{Defaults, Objects, build};
use operator::cluster::validate::validate;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

const CASES: &[(&str, &str, Option<&str>)] = &[
    ("default", "{}", Some("10.96.0.53")),
    (
        "small",
        "{server: {replicas: 1, storage: {ephemeral: true}, spread: None}, client: {enabled: false}, \
          dns: {service: {enabled: false}}, datacenter: lab, domain: example.test, logLevel: debug}",
        None,
    ),
    (
        "everything",
        "{version: 1.2.3, image: {repository: registry.test/concord, pullPolicy: Always, pullSecrets: [login]}, \
          server: {replicas: 5, storage: {size: 20Gi, className: fast}, spread: Required, resources: {requests: {cpu: 2}}, \
          extraConfig: {limits: {kv_max_value_size: 1024}}}, \
          client: {nodeSelector: {agents: 'yes'}, tolerations: [{operator: Exists}], extraConfig: {node_meta: {rack: a}}}, \
          services: {http: {type: LoadBalancer, annotations: {example.test/internal: 'true'}}}, \
          dns: {coreDNS: {mode: Patch}}}",
        Some("10.96.0.53"),
    ),
];

fn cluster(spec: &str) -> ConsulCluster {
    let text = format!(
        "{{apiVersion: concord.dev/v1alpha1, kind: ConsulCluster, \
          metadata: {{name: consul, namespace: prod, uid: 2f7c0a52-0000-4000-8000-000000000001}}, spec: {spec}}}"
    );
    serde_yaml::from_str(&text).expect("a cluster of the right shape")
}

fn built(spec: &str, dns_address: Option<&str>) -> Objects {
    let defaults = Defaults { image: "concord:0.1.0".to_owned(), version: "0.1.0".to_owned() };
    build(&cluster(spec), &defaults, dns_address)
}

#[test]
fn the_objects_are_those_of_the_golden_files() {
    for (name, spec, dns_address) in CASES {
        let objects = built(spec, *dns_address);
        let mut text = String::new();
        for object in &objects.wanted {
            text.push_str("---\n");
            text.push_str(&serde_yaml::to_string(object).expect("an object is YAML"));
        }
        for (version, kind, name) in &objects.unwanted {
            text.push_str(&format!("# must not exist: {version} {kind} {name}\n"));
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.yaml"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &text).expect("the golden file can be written");
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(golden == text, "{} differs; UPDATE_GOLDEN=1 writes it anew", path.display());
    }
}

/// A misspelt field would be lost on the way through the typed object.
#[test]
fn every_field_is_one_that_kubernetes_knows() {
    fn round_trip<T: DeserializeOwned + Serialize>(object: &Value) -> Value {
        let typed: T = serde_json::from_value(object.clone()).expect("the type fits");
        serde_json::to_value(typed).expect("an object is JSON")
    }
    for (_, spec, dns_address) in CASES {
        for object in &built(spec, *dns_address).wanted {
            let typed = match object["kind"].as_str().expect("objects have a kind") {
                "StatefulSet" => round_trip::<StatefulSet>(object),
                "DaemonSet" => round_trip::<DaemonSet>(object),
                "Service" => round_trip::<Service>(object),
                "ServiceAccount" => round_trip::<ServiceAccount>(object),
                "PodDisruptionBudget" => round_trip::<PodDisruptionBudget>(object),
                "ConfigMap" => round_trip::<ConfigMap>(object),
                other => panic!("no type for {other}"),
            };
            assert_same(&typed, object, "");
        }
    }
}

/// Equal but for quantities, which may be written as numbers.
fn assert_same(typed: &Value, built: &Value, path: &str) {
    match (typed, built) {
        (Value::Object(typed), Value::Object(built)) => {
            for (key, value) in built {
                assert_same(typed.get(key).unwrap_or(&Value::Null), value, &format!("{path}.{key}"));
            }
        }
        (Value::Array(typed), Value::Array(built)) => {
            assert_eq!(typed.len(), built.len(), "{path}");
            for (index, (typed, built)) in typed.iter().zip(built).enumerate() {
                assert_same(typed, built, &format!("{path}[{index}]"));
            }
        }
        (Value::String(typed), Value::Number(built)) => assert_eq!(*typed, built.to_string(), "{path}"),
        _ => assert_eq!(typed, built, "{path}"),
    }
}

#[test]
fn objects_belong_to_their_cluster_and_selectors_find_their_pods() {
    let objects = built("{}", Some("10.96.0.53"));
    for object in &objects.wanted {
        let owner = &object["metadata"]["ownerReferences"][0];
        assert_eq!(owner["uid"], "2f7c0a52-0000-4000-8000-000000000001");
        assert_eq!(owner["controller"], true);
        assert_eq!(object["metadata"]["namespace"], "prod");
    }
    let pods: Vec<&Value> =
        objects.wanted.iter().map(|object| &object["spec"]["template"]).filter(|t| !t.is_null()).collect();
    assert_eq!(pods.len(), 2);
    for object in objects.wanted.iter().filter(|object| object["kind"] == "Service") {
        let selector = object["spec"]["selector"].as_object().expect("each Service selects pods");
        let found = pods.iter().any(|pod| selector.iter().all(|(key, value)| pod["metadata"]["labels"][key] == *value));
        assert!(found, "{} selects no pod", object["metadata"]["name"]);
    }
}

#[test]
fn the_longest_name_still_fits() {
    let mut cluster = cluster("{}");
    cluster.metadata.name = Some("a".repeat(operator::api::NAME_LENGTH_MAX));
    let defaults = Defaults { image: "concord:0.1.0".to_owned(), version: "0.1.0".to_owned() };
    for object in build(&cluster, &defaults, Some("10.0.0.1")).wanted {
        let name = object["metadata"]["name"].as_str().expect("objects have names");
        // StatefulSet pods carry "<name>-<ordinal>" and a revision label of ten more characters.
        let most = if object["kind"] == "StatefulSet" { 52 } else { 63 };
        assert!(name.len() <= most, "{name}");
    }
}

#[test]
fn pods_meet_the_restricted_standard() {
    for (_, spec, dns_address) in CASES {
        for object in built(spec, *dns_address).wanted {
            let pod = &object["spec"]["template"]["spec"];
            if pod.is_null() {
                continue;
            }
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
            assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
            assert_eq!(pod["automountServiceAccountToken"], false);
            let container = &pod["containers"][0]["securityContext"];
            assert_eq!(container["allowPrivilegeEscalation"], false);
            assert_eq!(container["readOnlyRootFilesystem"], true);
            assert_eq!(container["capabilities"]["drop"][0], "ALL");
        }
    }
}

#[test]
fn the_agent_accepts_its_configuration() {
    for (name, spec, _) in CASES {
        let mut cluster = cluster(spec);
        cluster.spec.version = None;
        assert_eq!(validate(&cluster), [] as [String; 0], "{name}");
    }
    let wrong = cluster("{server: {extraConfig: {raft_protokol: 3}}}");
    let problems = validate(&wrong).join(" ");
    assert!(problems.contains("raft_protokol") && problems.contains("spec.server.extraConfig"), "{problems}");
}
