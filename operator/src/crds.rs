//! The custom resource definitions as Kubernetes needs them, made from the Rust types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSON};
use kube::CustomResourceExt;

use crate::api::{ConsulCluster, ConsulClusterSpec};

/// The definition of `ConsulCluster`.
///
/// # Panics
/// When the derived schema has no root object, which is a mistake in this crate and found by its tests.
pub fn consul_cluster() -> CustomResourceDefinition {
    let mut crd = ConsulCluster::crd();
    let schema = crd
        .spec
        .versions
        .first_mut()
        .and_then(|version| version.schema.as_mut())
        .and_then(|schema| schema.open_api_v3_schema.as_mut())
        .expect("a derived definition has one version with a schema");
    // `spec` may be left out: everything in it has a default.
    schema.required = None;
    let spec = schema.properties.as_mut().and_then(|properties| properties.get_mut("spec"));
    let spec = spec.expect("a derived definition has a spec");
    // The whole default, not an empty object: rules are evaluated on the default as it is written here.
    spec.default = serde_json::to_value(ConsulClusterSpec::default()).ok().map(JSON);
    crd
}
