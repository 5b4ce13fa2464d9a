//! Several servers of one datacenter that have found each other.

use std::time::Duration;

use serde_json::Value;

use crate::{Agent, Program, eventually};

/// Longest that finding each other may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Servers `n1`, `n2` and so on, all voters.
pub struct Cluster {
    /// The servers; a test may kill, restart and add some.
    pub servers: Vec<Agent>,
}

impl Cluster {
    /// Starts servers with these arguments besides name, number and whom to join; all vote.
    ///
    /// # Panics
    /// When they do not come together in time.
    #[must_use]
    pub fn start(program: &Program, count: usize, arguments: &[&str]) -> Self {
        let mut cluster = Self { servers: Vec::new() };
        for _ in 0..count {
            let expect = format!("-bootstrap-expect={count}");
            cluster.add(program, &[&[&*expect], arguments].concat());
        }
        cluster.wait_for_voters(count);
        cluster
    }

    /// Starts one more server, which joins the first that runs.
    pub fn add(&mut self, program: &Program, arguments: &[&str]) {
        let name = format!("-node=n{}", self.servers.len() + 1);
        let mut all = vec!["-server".to_owned(), name];
        all.extend(self.servers.iter().map(|server| format!("-retry-join={}", server.address())));
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        self.servers.push(Agent::start(program, &all));
    }

    /// The number of the leader, as the first server that answers knows it.
    ///
    /// # Panics
    /// When there is none in time.
    #[must_use]
    pub fn leader(&self) -> usize {
        eventually("a leader that runs", PATIENCE, || {
            let known = |server: &Agent| server.request("GET", "/v1/status/leader", b"").ok();
            let answers: Vec<String> = self.servers.iter().filter_map(known).map(|answer| answer.text()).collect();
            let leads = |server: &Agent| {
                let address = format!("\"{}\"", server.address().port(8300));
                let answers_itself = known(server).is_some_and(|answer| answer.text().trim() == address);
                answers_itself && answers.iter().any(|answer| answer.trim() == address)
            };
            self.servers.iter().position(leads).ok_or_else(|| format!("{answers:?}"))
        })
    }

    /// A server that does not lead.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn follower(&self) -> usize {
        let leader = self.leader();
        let running = |number: &usize| self.servers[*number].request("GET", "/v1/status/leader", b"").is_ok();
        (0..self.servers.len()).find(|number| *number != leader && running(number)).expect("another server")
    }

    /// The Raft configuration as a server knows it: node names, and whether each votes, sorted.
    #[must_use]
    pub fn configuration(&self, asked: usize) -> Vec<(String, bool)> {
        let path = "/v1/operator/raft/configuration?stale";
        let Ok(answer) = self.servers[asked].request("GET", path, b"") else { return Vec::new() };
        let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let servers = json["Servers"].as_array().cloned().unwrap_or_default();
        let row = |server: &Value| (server["Node"].as_str().unwrap_or_default().to_owned(), server["Voter"] == true);
        let mut rows: Vec<_> = servers.iter().map(row).collect();
        rows.sort();
        rows
    }

    /// Waits until the leader has exactly these voters.
    ///
    /// # Panics
    /// When it does not in time.
    pub fn wait_for_voters(&self, count: usize) {
        eventually(&format!("{count} voters"), PATIENCE, || {
            let rows = self.configuration(self.leader());
            let voters = rows.iter().filter(|(_, votes)| *votes).count();
            if voters == count { Ok(()) } else { Err(format!("{rows:?}")) }
        });
    }
}
