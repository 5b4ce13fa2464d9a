//! Key operations that members ask of each other by query: install, use, remove, list. A change is answered when the
//! caller has stored it, so that who hears of success can rely on it after a restart.

use super::{GossipCore, Output};
use crate::limits::{KEY_CHANGES_MAX, QUERY_RESPONSE_BYTES_MAX};
use crate::time::Time;
use crate::wire::serf::{Query, QueryResponse, SerfMessage};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Names a change of keys that has to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyChange(u64);

impl GossipCore {
    /// Handles `install-key`, `use-key`, `remove-key` and `list-keys`.
    pub(super) fn on_key_query(&mut self, verb: &str, query: &Query) {
        if verb == "list-keys" {
            let payload = self.list_keys(query);
            return self.answer(query, 0, payload);
        }
        let Some(encryption) = &mut self.encryption else {
            return self.answer(query, 0, outcome(Some("No keyring to modify (encryption not enabled)")));
        };
        let key = match SerfMessage::decode(&query.payload) {
            Ok(SerfMessage::KeyRequest { key }) => key,
            _ => return self.answer(query, 0, outcome(Some("the key request is unreadable"))),
        };
        let ring = &mut encryption.keyring;
        let changed = match verb {
            "install-key" => ring.install(&key),
            "use-key" => ring.make_primary(&key),
            _ => ring.remove(&key),
        };
        if let Err(error) = changed {
            return self.answer(query, 0, outcome(Some(&error.to_string())));
        }
        tracing::info!(verb, asker = query.source, "the gossip keyring was changed");
        if self.key_changes.len() >= KEY_CHANGES_MAX {
            return self.answer(query, 0, outcome(Some("too many changes of keys at once; try again")));
        }
        self.next_key_change += 1;
        let change = KeyChange(self.next_key_change);
        self.key_changes.insert(change, query.clone());
        self.out.push(Output::StoreKeys { change });
    }

    /// The caller has stored the keys of an [`Output::StoreKeys`], or could not.
    pub fn keys_stored(&mut self, now: Time, change: KeyChange, result: Result<(), String>) {
        self.now = now;
        if let Some(query) = self.key_changes.remove(&change) {
            self.answer(&query, 0, outcome(result.err().as_deref()));
        }
    }

    /// The encryption keys of this node, the one that encrypts first; none without encryption.
    pub fn keys(&self) -> Vec<Vec<u8>> {
        self.encryption.as_ref().map(|encryption| encryption.keyring.keys()).unwrap_or_default()
    }

    /// All keys, or as many as one packet holds.
    fn list_keys(&self, query: &Query) -> Vec<u8> {
        let Some(encryption) = &self.encryption else {
            return outcome(Some("Keyring is empty (encryption not enabled)"));
        };
        let all: Vec<String> = encryption.keyring.keys().iter().map(|key| STANDARD.encode(key)).collect();
        let primary = all.first().cloned().unwrap_or_default();
        for shown in (0..=all.len()).rev() {
            let message = match shown == all.len() {
                true => String::new(),
                false => format!("Truncated key list response, showing first {shown} of {} keys", all.len()),
            };
            let keys = all[..shown].to_vec();
            let payload = SerfMessage::KeyResponse { result: true, message, keys, primary: primary.clone() }.encode();
            let response = SerfMessage::QueryResponse(QueryResponse {
                ltime: query.ltime,
                id: query.id,
                from: self.name.to_string(),
                flags: 0,
                payload: payload.clone(),
            });
            if response.encode().len() <= QUERY_RESPONSE_BYTES_MAX {
                return payload;
            }
        }
        outcome(Some("the name of this node is too long to list its keys"))
    }
}

/// Success, or a failure with its reason.
fn outcome(error: Option<&str>) -> Vec<u8> {
    SerfMessage::KeyResponse {
        result: error.is_none(),
        message: error.unwrap_or_default().to_owned(),
        keys: Vec::new(),
        primary: String::new(),
    }
    .encode()
}
