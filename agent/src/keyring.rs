//! Gossip keys of whole pools: an operation goes to every member by a query of the pool, and all that they say is
//! summed up, as Consul does.

use std::collections::BTreeMap;

use ::gossip::wire::serf::SerfMessage;
use ::gossip::{Answers, Question};
use serde::Serialize;

use crate::gossip::Pool;

/// Copies of answers that may be asked for.
pub const RELAY_FACTOR_MAX: u8 = 5;

/// What is done with keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOperation {
    /// Add a key that decrypts.
    Install,
    /// Encrypt with a key from now on.
    Use,
    /// Take a key away.
    Remove,
    /// Tell all keys.
    List,
}

impl KeyOperation {
    fn query(self) -> &'static str {
        match self {
            Self::Install => "_serf_install-key",
            Self::Use => "_serf_use-key",
            Self::Remove => "_serf_remove-key",
            Self::List => "_serf_list-keys",
        }
    }
}

/// What the members of one pool said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeyReport {
    /// The WAN pool, not a LAN pool.
    #[serde(rename = "WAN")]
    pub wan: bool,
    /// Datacenter of the server that asked.
    pub datacenter: String,
    /// Network segment; there are none.
    pub segment: String,
    /// What members that failed, or could not say all, had to tell.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub messages: BTreeMap<String, String>,
    /// How many members have each key.
    pub keys: BTreeMap<String, usize>,
    /// How many members encrypt with each key.
    pub primary_keys: BTreeMap<String, usize>,
    /// Members that were asked.
    pub num_nodes: usize,
    /// Why the operation did not work on all of them.
    #[serde(skip)]
    pub error: Option<String>,
}

/// Runs an operation on one pool. `key` is base64, and empty for a list.
pub async fn run(pool: &Pool, operation: KeyOperation, key: &str, relay_factor: u8) -> KeyReport {
    let failed = |error: String| KeyReport { error: Some(error), ..KeyReport::default() };
    let key = match model::decode_base64(key) {
        Ok(key) => key,
        Err(error) => return failed(error),
    };
    let question = Question {
        name: operation.query().to_owned(),
        payload: SerfMessage::KeyRequest { key }.encode(),
        relay_factor,
        ..Question::default()
    };
    match pool.ask(question).await {
        Ok(answers) => sum_up(&answers),
        Err(error) => failed(error.to_string()),
    }
}

fn sum_up(answers: &Answers) -> KeyReport {
    let mut report = KeyReport { num_nodes: answers.asked, ..KeyReport::default() };
    let mut failures = 0;
    for (node, payload) in &answers.answers {
        let (result, message) = match SerfMessage::decode(payload) {
            Ok(SerfMessage::KeyResponse { result, message, keys, primary }) => {
                for key in keys {
                    *report.keys.entry(key).or_default() += 1;
                }
                if !primary.is_empty() {
                    *report.primary_keys.entry(primary).or_default() += 1;
                }
                (result, message)
            }
            Ok(_) | Err(_) => (false, "Invalid key query response".to_owned()),
        };
        failures += usize::from(!result);
        if !result || !message.is_empty() {
            report.messages.insert(node.clone(), message);
        }
    }
    let (asked, answered) = (report.num_nodes, answers.answers.len());
    if failures > 0 {
        report.error = Some(format!("{failures}/{asked} nodes reported failure"));
    } else if answered != asked {
        report.error = Some(format!("{answered}/{asked} nodes reported success"));
    }
    report
}

/// All that went wrong, one line each.
#[must_use]
pub fn errors(reports: &[KeyReport]) -> Vec<String> {
    let mut lines = Vec::new();
    for report in reports {
        if let Some(error) = &report.error {
            let pool = if report.wan { "WAN".to_owned() } else { format!("{} (LAN)", report.datacenter) };
            lines.push(format!("{pool} error: {error}"));
            lines.extend(report.messages.iter().map(|(node, message)| format!("{node}: {message}")));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(result: bool, message: &str, keys: &[&str]) -> Vec<u8> {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let primary = keys.first().cloned().unwrap_or_default();
        SerfMessage::KeyResponse { result, message: message.to_owned(), keys, primary }.encode()
    }

    #[test]
    fn failures_and_silence_are_errors() {
        let answers = |list: &[(&str, Vec<u8>)]| Answers {
            asked: 2,
            acks: Vec::new(),
            answers: list.iter().map(|(node, said)| ((*node).to_owned(), said.clone())).collect(),
        };
        let good = sum_up(&answers(&[("a", said(true, "", &["k1", "k2"])), ("b", said(true, "", &["k1"]))]));
        assert_eq!((good.error.as_deref(), good.keys["k1"], good.keys["k2"], good.primary_keys["k1"]), (None, 2, 1, 2));
        let silent = sum_up(&answers(&[("a", said(true, "", &[]))]));
        assert_eq!(silent.error.as_deref(), Some("1/2 nodes reported success"));
        let bad = sum_up(&answers(&[("a", said(true, "", &[])), ("b", said(false, "no", &[]))]));
        assert_eq!(bad.error.as_deref(), Some("1/2 nodes reported failure"));
        let bad = KeyReport { datacenter: "dc1".to_owned(), ..bad };
        assert_eq!(errors(&[bad, good]), ["dc1 (LAN) error: 1/2 nodes reported failure", "b: no"]);
        assert_eq!(sum_up(&answers(&[("a", vec![1, 2])])).messages["a"], "Invalid key query response");
    }
}
