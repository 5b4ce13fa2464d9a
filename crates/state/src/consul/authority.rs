//! The mesh's certificate authority, which is spread over three types of records: roots, the key of each root that this
//! cluster signs with itself, and the settings.
//!
//! An authority that somebody else signs for is not brought over: there is no key to sign with. Its records are counted
//! as left out, and the cluster makes an authority of its own.

use std::io;
use std::sync::Arc;

use model::{CaRoot, MeshCa};

use super::Fate;
use super::value::Value;
use crate::key::key;
use crate::tables::Draft;

/// The provider whose key is in the snapshot.
const OWN_PROVIDER: &str = "consul";
/// Indexes of Consul that tell of the authority.
const ROOTS_INDEX: &str = "connect-ca-roots";
const SERIAL_INDEX: &str = "connect-ca-builtin-serial";

/// What was found of it so far.
#[derive(Default)]
pub(super) struct Authority {
    ca: MeshCa,
    /// Certificates, and their keys.
    keys: Vec<(String, String)>,
    is_foreign: bool,
}

impl Authority {
    /// Notes a record of one of its types, 13 to 15.
    pub(super) fn take(&mut self, kind: u8, record: &Value) -> io::Result<Fate> {
        match kind {
            13 => {
                let root = root(record)?;
                if let Some(time) = record.get("RotatedOutAt").time() {
                    self.ca.rotated_out.insert(root.id.clone(), time.0 / 1_000_000_000);
                }
                self.ca.roots.push(root);
            }
            14 => self.keys.push((record.get("RootCert").text(), record.get("PrivateKey").text())),
            _ => {
                self.ca.cluster_id = record.get("ClusterID").text();
                self.ca.config = record.get("Config").json();
                self.ca.state = record.get("State").json();
                self.ca.force_without_cross_signing = *record.get("ForceWithoutCrossSigning") == Value::Bool(true);
                self.ca.create_index = record.get("CreateIndex").number();
                self.ca.modify_index = record.get("ModifyIndex").number();
                self.is_foreign = record.get("Provider").bytes() != OWN_PROVIDER.as_bytes();
                return Ok(if self.is_foreign { Fate::LeftOut } else { Fate::Taken });
            }
        }
        Ok(Fate::Taken)
    }

    /// Puts it into its table when it is whole.
    pub(super) fn place(mut self, draft: &mut Draft) {
        let index = |name: &str| draft.tables.indexes.get(&key([name])).copied();
        self.ca.roots_index = index(ROOTS_INDEX).unwrap_or(self.ca.modify_index);
        let highest = self.ca.roots.iter().map(|root| root.serial_number).max().unwrap_or(0);
        self.ca.last_serial = index(SERIAL_INDEX).unwrap_or(0).max(highest);
        // The active one is first.
        self.ca.roots.sort_by_key(|root| !root.active);
        let Some(active) = self.ca.active_root() else { return };
        let same = |pem: &str| pem.trim() == active.root_cert.trim();
        let Some((_, private_key)) = self.keys.iter().find(|(certificate, _)| same(certificate)) else { return };
        if self.is_foreign || private_key.is_empty() || self.ca.cluster_id.is_empty() {
            return;
        }
        self.ca.private_key.clone_from(private_key);
        draft.place_mesh_ca(Arc::new(self.ca));
    }
}

fn root(record: &Value) -> io::Result<CaRoot> {
    const TIMES: [&str; 3] = ["NotBefore", "NotAfter", "RotatedOutAt"];
    let mut root: CaRoot = record.parse_without(&TIMES)?;
    let time = |name| record.get(name).time().unwrap_or_default().to_rfc3339();
    root.not_before = time("NotBefore");
    root.not_after = time("NotAfter");
    Ok(root)
}
