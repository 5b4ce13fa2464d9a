//! What the leader does for the mesh: it makes the certificate authority, forgets roots that have not signed for long,
//! and writes the config entries of its configuration.

use std::time::SystemTime;

use model::Json;
use server::mesh::authority;
use server::request::{Consistency, MeshWrite, Write};
use state::Command;
use uuid::Uuid;

use super::{Duties, propose};
use crate::raft::node::NotDone;

/// Makes the authority where there is none, and forgets old roots.
pub(super) async fn keep_authority(duties: &Duties) {
    // The view must have everything that earlier leaders did, or their authority would be replaced.
    if !duties.mesh.enabled || duties.raft.ready_to_read(Consistency::Default).await.is_err() {
        return;
    }
    let command = {
        let view = duties.raft.reader().view();
        let (given, now) = (Json::Object(duties.mesh.ca_config.clone()), SystemTime::now());
        match authority::initialize(&view, &given, Uuid::new_v4().to_string(), now) {
            Ok(Some(command)) => Some(command),
            Ok(None) => authority::prune(&view, now),
            Err(error) => {
                tracing::error!(target: "agent::connect", %error, "failed to initialize the certificate authority: mend connect.ca_config");
                None
            }
        }
    };
    let Some(command) = command else { return };
    match duties.raft.propose(Command::encode(&command).into()).await {
        Ok(_) => tracing::info!(target: "agent::connect", "updated root certificates"),
        Err(NotDone::Failed(error)) => {
            tracing::warn!(target: "agent::connect", %error, "failed to write the certificate authority, will retry");
        }
        Err(NotDone::NotLeader) => {}
    }
}

/// Writes the config entries of the configuration, where there are none of their names.
pub(super) async fn write_entries(duties: &Duties) {
    if duties.mesh.bootstrap_entries.is_empty() || duties.raft.ready_to_read(Consistency::Consistent).await.is_err() {
        return;
    }
    for entry in &duties.mesh.bootstrap_entries {
        if duties.raft.reader().load().config_entry(entry.kind, &entry.name).is_some() {
            continue;
        }
        let write = MeshWrite::PutEntry { entry: entry.clone(), cas: Some(0) };
        if let Err(error) = propose(duties, Write::Mesh(write)).await {
            let (kind, name) = (entry.kind.as_str(), &entry.name);
            tracing::error!(target: "agent::config_entries", %error, kind, name, "failed to write a config entry of the configuration");
        }
    }
}
