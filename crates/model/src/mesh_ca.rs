//! The mesh's certificate authority as the servers keep it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Json;

/// A root certificate, in the shape of `/v1/connect/ca/roots`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CaRoot {
    /// SHA-1 of the certificate, as pairs of digits with colons.
    #[serde(rename = "ID")]
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Serial number of the certificate.
    pub serial_number: u64,
    /// Identity of its key, as pairs of digits with colons.
    #[serde(rename = "SigningKeyID")]
    pub signing_key_id: String,
    /// Cluster that it was made for.
    pub external_trust_domain: String,
    /// From when it is valid, RFC 3339.
    pub not_before: String,
    /// Until when it is valid, RFC 3339.
    pub not_after: String,
    /// The certificate, PEM.
    pub root_cert: String,
    /// The same key signed by the root before, so that who trusts only that one goes on trusting; PEM.
    pub intermediate_certs: Option<Vec<String>>,
    /// Whether it signs.
    pub active: bool,
    /// Kind of its key.
    pub private_key_type: String,
    /// Size of its key.
    pub private_key_bits: u32,
    /// Raft index of the creation.
    pub create_index: u64,
    /// Raft index of the last change.
    pub modify_index: u64,
}

/// The whole authority: configuration, roots and the key of the active one. Never shown as a whole.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MeshCa {
    /// UUID of the cluster; the trust domain is named after it.
    pub cluster_id: String,
    /// Settings as given.
    pub config: Json,
    /// What the provider keeps of its own, `null` for nothing.
    pub state: Json,
    /// Rotate without signing the new root by the old one.
    pub force_without_cross_signing: bool,
    /// Roots, the active one first.
    pub roots: Vec<CaRoot>,
    /// Key of the active root, PEM.
    pub private_key: String,
    /// Highest serial number used by a root.
    pub last_serial: u64,
    /// Since when roots sign no more, by their ids; seconds since 1970.
    pub rotated_out: BTreeMap<String, u64>,
    /// Raft index of the creation.
    pub create_index: u64,
    /// Raft index of the last change of anything.
    pub modify_index: u64,
    /// Raft index of the last change of the roots.
    pub roots_index: u64,
}

impl std::fmt::Debug for MeshCa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let roots = self.roots.iter().map(|root| &root.id).collect::<Vec<_>>();
        f.debug_struct("MeshCa").field("cluster_id", &self.cluster_id).field("roots", &roots).finish_non_exhaustive()
    }
}

impl MeshCa {
    /// The trust domain of the mesh.
    #[must_use]
    pub fn trust_domain(&self) -> String {
        format!("{}.consul", self.cluster_id)
    }

    /// The root that signs.
    #[must_use]
    pub fn active_root(&self) -> Option<&CaRoot> {
        self.roots.iter().find(|root| root.active)
    }
}
