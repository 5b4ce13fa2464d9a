//! Every rule of `ConsulCluster`, with a spec that passes and one that is refused; the schema evaluated is the
//! one in `crds/`. The end-to-end test shows the same refusals by a real API server.

use kube::core::cel::ValidationErrors;
use operator::api::ConsulCluster;

fn cluster(spec: &str) -> ConsulCluster {
    named("consul", spec)
}

fn named(name: &str, spec: &str) -> ConsulCluster {
    let text =
        format!("{{apiVersion: concord.dev/v1alpha1, kind: ConsulCluster, metadata: {{name: {name}}}, spec: {spec}}}");
    serde_yaml::from_str(&text).expect("a cluster of the right shape")
}

fn accepted(spec: &str) {
    if let Err(errors) = cluster(spec).validate_cel() {
        panic!("{spec} was refused: {errors}");
    }
}

fn refused(result: Result<(), ValidationErrors>, message: &str) {
    let errors = result.expect_err("must be refused").to_string();
    assert!(errors.contains(message), "{errors}");
}

fn change_refused(old: &str, new: &str, message: &str) {
    refused(cluster(new).validate_cel_update(&cluster(old)), message);
}

fn change_accepted(old: &str, new: &str) {
    if let Err(errors) = cluster(new).validate_cel_update(&cluster(old)) {
        panic!("{old} -> {new} was refused: {errors}");
    }
}

#[test]
fn the_empty_spec_is_valid() {
    accepted("{}");
}

#[test]
fn a_name_fits_into_labels() {
    assert!(named(&"a".repeat(40), "{}").validate_cel().is_ok());
    refused(named(&"a".repeat(41), "{}").validate_cel(), "metadata.name");
}

#[test]
fn servers_are_odd_unless_asked_otherwise() {
    accepted("{server: {replicas: 5}}");
    accepted("{server: {replicas: 4, allowEvenReplicas: true}}");
    refused(cluster("{server: {replicas: 4}}").validate_cel(), "spec.server.replicas must be odd");
}

#[test]
fn servers_are_never_removed_by_a_smaller_number() {
    change_accepted("{server: {replicas: 3}}", "{server: {replicas: 5}}");
    change_refused("{server: {replicas: 5}}", "{server: {replicas: 3}}", "spec.server.replicas can only be raised");
}

#[test]
fn the_datacenter_stays() {
    change_accepted("{datacenter: here, logLevel: info}", "{datacenter: here, logLevel: debug}");
    change_refused("{datacenter: here}", "{datacenter: there}", "spec.datacenter");
}

#[test]
fn a_volume_size_is_a_quantity_and_stays() {
    accepted("{server: {storage: {size: 512Mi}}}");
    refused(cluster("{server: {storage: {size: large}}}").validate_cel(), "spec.server.storage.size");
    refused(cluster("{server: {storage: {size: '0'}}}").validate_cel(), "spec.server.storage.size");
    change_accepted("{server: {storage: {size: 1Gi}}}", "{server: {storage: {size: 1Gi}}, logLevel: warn}");
    change_refused("{server: {storage: {size: 2Gi}}}", "{server: {storage: {size: 1Gi}}}", "spec.server.storage.size");
}

#[test]
fn the_kind_of_storage_stays() {
    change_accepted(
        "{server: {storage: {className: fast}}}",
        "{server: {storage: {className: fast}}, domain: example}",
    );
    change_refused("{}", "{server: {storage: {className: fast}}}", "spec.server.storage.className");
    change_refused(
        "{server: {storage: {className: a}}}",
        "{server: {storage: {className: b}}}",
        "spec.server.storage.className",
    );
    change_accepted(
        "{server: {storage: {ephemeral: true}}}",
        "{server: {storage: {ephemeral: true}}, domain: example}",
    );
    change_refused("{}", "{server: {storage: {ephemeral: true}}}", "spec.server.storage.ephemeral");
}

/// The client-side evaluator escapes every underscore in a name, the API server only double ones; so keys with an
/// underscore are shown to be refused by the operator's own check here, and by the API server in the end-to-end test.
#[test]
fn settings_of_the_operator_are_reserved() {
    accepted("{server: {extraConfig: {limits: {kv_max_value_size: 1024}}}}");
    accepted("{client: {extraConfig: {node_meta: {rack: r1}}}}");
    for (key, value) in [("server", "false"), ("bootstrap", "true"), ("datacenter", "other"), ("ports", "{http: 1}")] {
        let message = format!("extraConfig.{key} must not be set");
        for part in ["server", "client"] {
            refused(cluster(&format!("{{{part}: {{extraConfig: {{{key}: {value}}}}}}}")).validate_cel(), &message);
        }
    }
    for (key, value) in [("server", "false"), ("bootstrap_expect", "1"), ("data_dir", "/tmp"), ("node_id", "x")] {
        let cluster = cluster(&format!("{{server: {{extraConfig: {{{key}: {value}}}}}}}"));
        let problems = operator::cluster::validate::validate(&cluster);
        assert_eq!(problems, [format!("spec.server.extraConfig.{key} is set by the operator itself")]);
    }
}

#[test]
fn unknown_fields_are_an_error_for_our_own_types() {
    let text = "{apiVersion: concord.dev/v1alpha1, kind: ConsulCluster, metadata: {name: c}, spec: {replicas: 3}}";
    let error = serde_yaml::from_str::<ConsulCluster>(text).expect_err("must be refused").to_string();
    assert!(error.contains("replicas"), "{error}");
}

#[test]
fn the_spec_may_be_left_out_and_defaults_to_everything() {
    let crd = serde_json::to_value(operator::crds::consul_cluster()).expect("a definition is JSON");
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    assert_eq!(schema.get("required"), None);
    assert_eq!(schema["properties"]["spec"]["default"]["server"]["replicas"], 3);
}
