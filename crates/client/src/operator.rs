//! `/v1/status` and `/v1/operator/raft`.

use bytes::Bytes;
use model::{AutopilotConfig, Json, RaftConfiguration};

use crate::error::Error;
use crate::query::{QueryOptions, Target};
use crate::transport::{Client, Method};

/// Which server to take out of the Raft configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerToRemove {
    /// By its UUID.
    Id(String),
    /// By its RPC address.
    Address(String),
}

impl Client {
    /// RPC address of the leader; empty where there is none.
    pub async fn leader(&self) -> Result<String, Error> {
        Ok(self.get_json(Target::new("/v1/status/leader"), &QueryOptions::default()).await?.rows)
    }

    /// RPC addresses of the voters.
    pub async fn peers(&self) -> Result<Vec<String>, Error> {
        Ok(self.get_json(Target::new("/v1/status/peers"), &QueryOptions::default()).await?.rows)
    }

    /// The Raft configuration.
    pub async fn raft_configuration(&self, options: &QueryOptions) -> Result<RaftConfiguration, Error> {
        Ok(self.get_json(Target::new("/v1/operator/raft/configuration"), options).await?.rows)
    }

    /// Takes a server out of the Raft configuration.
    pub async fn raft_remove_peer(&self, peer: &PeerToRemove, datacenter: &str) -> Result<(), Error> {
        let to = Target::new("/v1/operator/raft/peer").optional("dc", datacenter);
        let to = match peer {
            PeerToRemove::Id(id) => to.pair("id", id),
            PeerToRemove::Address(address) => to.pair("address", address),
        };
        self.send(Method::Delete, &to.text(), Bytes::new()).await?.ok().map(drop)
    }

    /// Hands leadership to a server, or to the best one.
    pub async fn raft_transfer_leader(&self, id: Option<&str>) -> Result<(), Error> {
        let to = Target::new("/v1/operator/raft/transfer-leader").optional("id", id.unwrap_or_default());
        self.send(Method::Post, &to.text(), Bytes::new()).await?.ok().map(drop)
    }

    /// The settings of autopilot.
    pub async fn autopilot_config(&self, options: &QueryOptions) -> Result<AutopilotConfig, Error> {
        Ok(self.get_json(Target::new("/v1/operator/autopilot/configuration"), options).await?.rows)
    }

    /// Replaces the settings of autopilot if they still have the given `ModifyIndex`.
    pub async fn set_autopilot_config(&self, config: &AutopilotConfig, datacenter: &str) -> Result<bool, Error> {
        let to = Target::new("/v1/operator/autopilot/configuration").optional("dc", datacenter);
        let to = to.pair("cas", &config.modify_index.to_string());
        let body = serde_json::to_vec(config).unwrap_or_default();
        self.change(Method::Put, &to, body).await
    }

    /// How the servers are.
    pub async fn autopilot_state(&self, options: &QueryOptions) -> Result<Json, Error> {
        Ok(self.get_json(Target::new("/v1/operator/autopilot/state"), options).await?.rows)
    }

    /// How much is registered.
    pub async fn usage(&self, options: &QueryOptions) -> Result<Json, Error> {
        Ok(self.get_json(Target::new("/v1/operator/usage"), options).await?.rows)
    }
}
