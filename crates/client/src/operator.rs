//! `/v1/status` and `/v1/operator/raft`.

use bytes::Bytes;
use model::RaftConfiguration;

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
        self.put(&to, Bytes::new()).await.map(drop)
    }
}
