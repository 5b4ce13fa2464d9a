//! Asking the servers how they are, over their HTTP API.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{FuturesUnordered, StreamExt};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;

use crate::cluster::names::PORT_HTTP;

/// How long a server may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// Longest accepted answer, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// The servers' own configuration: who votes and who leads.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase")]
pub struct RaftConfiguration {
    /// The servers.
    pub servers: Vec<RaftServer>,
}

/// One server in the configuration.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase", default)]
pub struct RaftServer {
    /// Its id, which lives as long as its data.
    #[serde(rename = "ID")]
    pub id: String,
    /// Its node name; the operator names servers after their pods.
    pub node: String,
    /// Whether it leads.
    pub leader: bool,
    /// Whether it votes.
    pub voter: bool,
}

impl RaftConfiguration {
    /// The node name of the leader.
    pub fn leader(&self) -> Option<&str> {
        self.servers.iter().find(|server| server.leader).map(|server| server.node.as_str())
    }

    /// How many servers vote.
    pub fn voters(&self) -> usize {
        self.servers.iter().filter(|server| server.voter).count()
    }
}

/// An HTTP client for the servers' API.
#[derive(Clone, Debug)]
pub struct Consul {
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl Default for Consul {
    fn default() -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http() }
    }
}

impl Consul {
    /// The configuration as the leader has it, through whichever of the addresses answers first.
    ///
    /// `None` when no server answers in time or none knows a leader: every server forwards the question to the
    /// leader, so an answer proves that there is one.
    pub async fn raft_configuration(&self, addresses: &[String]) -> Option<RaftConfiguration> {
        let mut answers: FuturesUnordered<_> = addresses.iter().map(|address| self.ask(address)).collect();
        while let Some(answer) = answers.next().await {
            if let Some(configuration) = answer.filter(|configuration| configuration.leader().is_some()) {
                return Some(configuration);
            }
        }
        None
    }

    async fn ask(&self, address: &str) -> Option<RaftConfiguration> {
        let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        let uri = format!("http://{host}:{PORT_HTTP}/v1/operator/raft/configuration").parse().ok()?;
        let body = tokio::time::timeout(ANSWER_MAX, async {
            let response = self.client.get(uri).await.ok()?;
            if !response.status().is_success() {
                return None;
            }
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await.ok()?;
            Some(body.to_bytes())
        });
        serde_json::from_slice(&body.await.ok()??).ok()
    }
}
