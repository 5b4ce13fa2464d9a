//! What a server answers about autopilot and usage.

use std::collections::BTreeMap;

use model::{AutopilotConfig, ServerId};
use server::endpoint::autopilot;
use server::request::{Cluster, Consistency, ReadMeta, Response};

use super::local::LocalServer;

impl LocalServer {
    /// The settings in force.
    pub(super) fn autopilot_config(&self) -> AutopilotConfig {
        autopilot::config(&self.raft().reader().load())
    }

    /// How much is registered.
    pub(super) fn usage(&self, consistency: Consistency) -> Response {
        let view = self.raft().reader().view();
        let meta = ReadMeta {
            index: view.index(),
            known_leader: self.raft().leadership().borrow().leader.is_some(),
            last_contact_ms: self.raft().last_contact_ms().unwrap_or(0),
            consistency,
            ..ReadMeta::default()
        };
        Response::Usage(meta, autopilot::usage(&view))
    }

    /// The answer of the leader to a question about autopilot or usage.
    pub(super) fn autopilot_answer(&self, question: &Cluster) -> Response {
        let config = self.autopilot_config();
        match question {
            Cluster::AutopilotHealth => Response::AutopilotHealth(self.raft().autopilot_health(&config)),
            Cluster::AutopilotState => Response::AutopilotState(self.raft().autopilot_state(&config, &self.metas())),
            Cluster::Usage { .. } => self.usage(Consistency::Default),
            _ => Response::AutopilotConfig(config),
        }
    }

    /// Metadata of the nodes of the servers.
    fn metas(&self) -> BTreeMap<ServerId, BTreeMap<String, String>> {
        let view = self.raft().reader().view();
        let servers = self.raft().configuration().servers;
        let meta = |server: model::RaftServer| Some((server.id, view.node(&server.node)?.meta.clone()?));
        servers.into_iter().filter_map(meta).collect()
    }
}
