//! `/v1/operator/keyring`: the keys that gossip is encrypted with.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use crate::error::Error;
use crate::query::{QueryOptions, Target};
use crate::transport::{Client, Method};

/// What is done with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyChange {
    /// Add it on all members; it decrypts from then on.
    Install,
    /// Encrypt with it.
    Use,
    /// Take it away from all members.
    Remove,
}

/// The keys of one pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct KeyringPool {
    /// The WAN pool.
    #[serde(rename = "WAN")]
    pub wan: bool,
    /// Datacenter of the server that answered.
    pub datacenter: String,
    /// Network segment; empty where there are none.
    pub segment: String,
    /// What members had to tell.
    pub messages: BTreeMap<String, String>,
    /// How many members have each key.
    pub keys: BTreeMap<String, usize>,
    /// How many members encrypt with each key.
    pub primary_keys: BTreeMap<String, usize>,
    /// Members asked.
    pub num_nodes: usize,
}

impl Client {
    /// The keys of all pools, or of the LAN pool alone.
    pub async fn keyring(&self, relay_factor: u64, local_only: bool) -> Result<Vec<KeyringPool>, Error> {
        let to = target(relay_factor);
        let to = if local_only { to.pair("local-only", "true") } else { to };
        Ok(self.get_json(to, &QueryOptions::default()).await?.rows)
    }

    /// Changes the keys of all pools; `key` is base64.
    pub async fn change_keyring(&self, change: KeyChange, key: &str, relay_factor: u64) -> Result<(), Error> {
        let method = match change {
            KeyChange::Install => Method::Post,
            KeyChange::Use => Method::Put,
            KeyChange::Remove => Method::Delete,
        };
        let body = json!({ "Key": key }).to_string();
        self.send(method, &target(relay_factor).text(), body).await?.ok().map(drop)
    }
}

fn target(relay_factor: u64) -> Target {
    let to = Target::new("/v1/operator/keyring");
    if relay_factor > 0 { to.pair("relay-factor", &relay_factor.to_string()) } else { to }
}
