//! The mesh's certificate authority: makes roots, crosses an old one to a new one, and signs the certificates of services
//! and agents. It keeps nothing: what it makes goes into the replicated state.
//!
//! `settings` reads the configuration, `keys` private keys, `root` makes roots, `identity` is who a certificate is for,
//! `leaf` signs requests and makes them.

mod identity;
mod keys;
mod leaf;
mod root;
mod settings;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::{Json, MeshCa};
use rcgen::CertificateParams;
use state::{Command, PutMeshCa, View};

pub use identity::Identity;
pub use leaf::{IssuedCertificate, Signing, SigningRequest, new_request};
pub use settings::{CaSettings, default_config};

use crate::mesh::request::CaChange;
use crate::request::{ErrorKind, RequestError};

/// What requests get where the servers have no authority.
pub const DISABLED: &str = "Connect must be enabled in order to use this endpoint";

/// The only provider.
pub const PROVIDER: &str = "consul";

/// Certificates are valid from a little earlier, for clocks that are behind.
const BACKDATE: Duration = Duration::from_mins(1);

/// A root that signs no more is shown for this many lives of a leaf, so that all leaves of it have ended before.
const OLD_ROOT_LIVES: u32 = 2;

/// Why the authority cannot do it. `Display` is what the client sees, in Consul's wording where it has one.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// Making or signing failed.
    #[error("error generating certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The settings cannot be used.
    #[error("{0}")]
    Settings(String),
    /// What is asked to be signed cannot be.
    #[error("{0}")]
    Request(String),
    /// There is no root that signs.
    #[error("the mesh has no certificate authority yet; try again")]
    NoRoot,
}

impl From<CaError> for RequestError {
    fn from(error: CaError) -> Self {
        Self::new(ErrorKind::Failed, error.to_string())
    }
}

/// The command of a leader that finds no authority: it makes one with the settings of its configuration. `None` when
/// there is one. `new_cluster_id` is the UUID of the cluster where the settings have none.
///
/// # Errors
/// When the settings cannot be used.
pub fn initialize(
    view: &View,
    given: &Json,
    new_cluster_id: String,
    now: SystemTime,
) -> Result<Option<Command>, CaError> {
    let old = view.mesh_ca();
    if old.is_some_and(|ca| ca.active_root().is_some()) {
        return Ok(None);
    }
    let config = settings::with_defaults(given);
    let settings = CaSettings::read(&config)?;
    let mut ca = old.map(|ca| MeshCa::clone(ca)).unwrap_or_default();
    if ca.cluster_id.is_empty() {
        ca.cluster_id = settings.cluster_id.clone().unwrap_or(new_cluster_id);
    }
    ca.state = settings.state.clone();
    ca.config = config;
    root::add(&mut ca, &settings, true, now)?;
    Ok(Some(put(old.map_or(0, |ca| ca.modify_index), ca)))
}

/// The command of a change of the settings; a new root comes with another key or root certificate.
///
/// # Errors
/// What is wrong with the change.
pub(crate) fn change(view: &View, change: &CaChange, now: SystemTime) -> Result<Command, RequestError> {
    let old = view.mesh_ca().ok_or(CaError::NoRoot)?;
    if change.state.as_ref().is_some_and(|state| *state != old.state) {
        let text = "Bad request: Provider State is read-only. It must be omitted or identical to the current value";
        return Err(RequestError::new(ErrorKind::BadRequest, text));
    }
    check_provider(&change.provider)?;
    let settings = CaSettings::read(&change.config)?;
    let mut ca = MeshCa::clone(old);
    let before = CaSettings::read(&ca.config).unwrap_or_default();
    ca.config = change.config.clone();
    ca.state = settings.state.clone();
    ca.force_without_cross_signing = change.force_without_cross_signing;
    let is_same = (&before.private_key, &before.root_cert) == (&settings.private_key, &settings.root_cert);
    if !is_same || ca.active_root().is_none() {
        root::add(&mut ca, &settings, !change.force_without_cross_signing, now)?;
    }
    Ok(put(old.modify_index, ca))
}

/// The command that forgets roots that have not signed for long; `None` when there are none.
#[must_use]
pub fn prune(view: &View, now: SystemTime) -> Option<Command> {
    let old = view.mesh_ca()?;
    let kept = CaSettings::read(&old.config).unwrap_or_default().leaf_ttl * OLD_ROOT_LIVES;
    let now = seconds(now);
    let is_old = |id: &String| old.rotated_out.get(id).is_some_and(|since| since.saturating_add(kept.as_secs()) < now);
    if !old.roots.iter().any(|root| !root.active && is_old(&root.id)) {
        return None;
    }
    let mut ca = MeshCa::clone(old);
    ca.roots.retain(|root| root.active || !is_old(&root.id));
    ca.rotated_out.retain(|id, _| ca.roots.iter().any(|root| root.id == *id));
    Some(put(old.modify_index, ca))
}

fn check_provider(name: &str) -> Result<(), CaError> {
    match name {
        PROVIDER => Ok(()),
        "vault" | "aws-pca" => Err(CaError::Settings(format!(
            "could not initialize provider: the CA provider {name:?} is not supported: use \"consul\", with PrivateKey and \
             RootCert of your own authority if need be"
        ))),
        other => Err(CaError::Settings(format!("could not initialize provider: unknown CA provider {other:?}"))),
    }
}

fn put(expected_index: u64, ca: MeshCa) -> Command {
    Command::PutMeshCa(PutMeshCa { ca, expected_index })
}

/// The end of the names in certificates: the first part of the cluster's id.
fn domain_name(cluster_id: &str) -> String {
    format!("{}.consul", cluster_id.get(..8).unwrap_or(cluster_id))
}

/// The name of someone as far as the names in certificates can have it.
fn plain(name: &str) -> String {
    name.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect()
}

fn colons(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

fn set_validity(params: &mut CertificateParams, from: SystemTime, until: SystemTime) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(seconds(from));
    params.not_after = epoch + Duration::from_secs(seconds(until));
}

#[cfg(test)]
mod tests;
