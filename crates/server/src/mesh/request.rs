//! Questions about and changes of the mesh.

use model::{ConfigEntry, EntryKind, Intention, IntentionSide, Json, ServiceName};
use serde::{Deserialize, Serialize};

use super::chain::Overrides;

/// Questions; their answers are documents.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the sentence of a variant explains its fields")]
pub enum MeshQuery {
    /// One config entry.
    ConfigEntry { kind: EntryKind, name: String },
    /// Config entries of a kind, or all.
    ConfigEntries { kind: Option<EntryKind> },
    /// All intentions, the most exact first.
    Intentions,
    /// One intention.
    Intention { id: String },
    /// For each name the intentions that cover it at one end, the most exact first.
    IntentionMatch { side: IntentionSide, names: Vec<String> },
    /// Whether one service may call another.
    IntentionCheck(IntentionCheck),
    /// The services that a gateway leads to.
    GatewayServices { gateway: ServiceName },
    /// The roots of the certificate authority.
    CaRoots,
    /// Its configuration.
    CaConfiguration,
    /// The way of a request to a service, as seen from a datacenter.
    Chain { service: ServiceName, datacenter: String, overrides: Overrides },
}

/// A question whether one service may call another.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IntentionCheck {
    /// Namespace and name of the caller.
    pub source: (String, String),
    /// Namespace and name of the called.
    pub destination: (String, String),
    /// Whether the called is here and wants to know whom to let in, which needs more rights than asking.
    pub is_for_admission: bool,
}

/// Changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the sentence of a variant explains its fields")]
pub enum MeshWrite {
    /// Write a config entry; with `cas` only if its `ModifyIndex` is that (0: only if there is none).
    PutEntry { entry: ConfigEntry, cas: Option<u64> },
    /// Remove a config entry.
    DeleteEntry { kind: EntryKind, name: String },
    /// Add an intention; its id and times are set already.
    CreateIntention(Intention),
    /// Change an intention; the time of the change is set already.
    UpdateIntention(Intention),
    /// Remove an intention.
    DeleteIntention { id: String },
    /// Change the settings of the certificate authority.
    SetCa(CaChange),
}

/// New settings of the certificate authority; they replace those before as a whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CaChange {
    /// Who keeps it.
    pub provider: String,
    /// The settings.
    pub config: Json,
    /// What it keeps of its own: as it is, or not said.
    pub state: Option<Json>,
    /// Do not have the root before sign a new one.
    pub force_without_cross_signing: bool,
}
