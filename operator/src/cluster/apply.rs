//! Bringing the objects to what was built, by server-side apply; never one that belongs to somebody else.

use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::Value;
use thiserror::Error;

use super::build::Objects;
use super::names::{APPLIED_HASH, MANAGER};

/// Why applying stopped.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// An object of that name is there, and not ours.
    #[error("{kind} {name} exists and does not belong to this cluster; rename one of them or delete it")]
    Foreign {
        /// Kind of the object.
        kind: String,
        /// Its name.
        name: String,
    },
    /// The API server refused.
    #[error("cannot apply {kind} {name}: {source}")]
    Refused {
        /// Kind of the object.
        kind: String,
        /// Its name.
        name: String,
        /// What it said.
        source: kube::Error,
    },
}

/// Applies what is wanted, in order, and deletes what is not. `owner` is the cluster's UID.
///
/// Objects that already are as wanted are not written.
pub async fn apply(client: &Client, namespace: &str, owner: &str, objects: &Objects) -> Result<(), ApplyError> {
    for object in &objects.wanted {
        let kind = object["kind"].as_str().unwrap_or_default();
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let api = api(client, namespace, object["apiVersion"].as_str().unwrap_or_default(), kind);
        let refused = |source| ApplyError::Refused { kind: kind.to_owned(), name: name.to_owned(), source };
        if let Some(live) = api.get_opt(name).await.map_err(refused)? {
            if !owned(&live, owner) {
                return Err(ApplyError::Foreign { kind: kind.to_owned(), name: name.to_owned() });
            }
            if as_wanted(object, &live) {
                continue;
            }
        }
        let params = PatchParams::apply(MANAGER).force();
        api.patch(name, &params, &Patch::Apply(object)).await.map_err(refused)?;
    }
    for (version, kind, name) in &objects.unwanted {
        let api = api(client, namespace, version, kind);
        let refused = |source| ApplyError::Refused { kind: (*kind).to_owned(), name: name.clone(), source };
        let live = api.get_opt(name).await.map_err(refused)?;
        if live.is_some_and(|live| owned(&live, owner) && live.metadata.deletion_timestamp.is_none()) {
            api.delete(name, &DeleteParams::default()).await.map_err(refused)?;
        }
    }
    Ok(())
}

fn api(client: &Client, namespace: &str, api_version: &str, kind: &str) -> Api<DynamicObject> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    Api::namespaced_with(client.clone(), namespace, &resource)
}

fn owned(live: &DynamicObject, owner: &str) -> bool {
    live.owner_references().iter().any(|reference| reference.uid == owner)
}

/// Whether the last apply was of this very object and nobody changed a field of it since.
fn as_wanted(wanted: &Value, live: &DynamicObject) -> bool {
    let same = live.annotations().get(APPLIED_HASH).map(String::as_str)
        == wanted["metadata"]["annotations"][APPLIED_HASH].as_str();
    same && serde_json::to_value(live).is_ok_and(|live| contains(&live, wanted))
}

/// Whether `live` has everything that `wanted` has; the API server adds defaults of its own.
fn contains(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            wanted.iter().all(|(key, value)| live.get(key).is_some_and(|live| contains(live, value)))
        }
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len() && live.iter().zip(wanted).all(|(live, wanted)| contains(live, wanted))
        }
        (live, wanted) => live == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn defaults_of_the_api_server_are_no_drift_but_changes_are() {
        let wanted = json!({"spec": {"ports": [{"port": 53}], "selector": {"a": "b"}}});
        let mut live =
            json!({"spec": {"ports": [{"port": 53, "nodePort": 3}], "selector": {"a": "b"}, "type": "ClusterIP"}});
        assert!(contains(&live, &wanted));
        live["spec"]["selector"]["a"] = "c".into();
        assert!(!contains(&live, &wanted));
        live["spec"]["selector"]["a"] = "b".into();
        live["spec"]["ports"] = json!([{"port": 53}, {"port": 54}]);
        assert!(!contains(&live, &wanted));
    }
}
