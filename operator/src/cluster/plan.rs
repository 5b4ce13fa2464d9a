//! The one disruptive act a pass may do, decided from what was observed. Pure.
//!
//! Servers are replaced one at a time when their template changed: sick ones first, followers next, the leader
//! last, and a healthy one only while every other server is well.

use super::fetch::{Observed, ServerPod};

/// How long every server must have been ready before the next healthy one is restarted, in seconds: the nodes need a
/// moment to send requests to the one that just came back.
const SETTLED_SECONDS: i64 = 3;

/// What to do beyond applying the objects.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Nothing, or wait.
    None,
    /// Delete a server's pod, so that it comes back from the new template.
    Restart {
        /// The pod.
        pod: String,
    },
}

/// Decides the next act for a cluster of `replicas` servers; `now` is in seconds since 1970.
pub fn plan(observed: &Observed, replicas: i32, now: i64) -> Action {
    let Some(revision) = observed.revision.as_ref().filter(|_| observed.servers.current) else { return Action::None };
    let outdated = |pod: &&ServerPod| !pod.terminating && pod.revision.as_ref().is_some_and(|own| own != revision);
    let leader = observed.raft.as_ref().and_then(|raft| raft.leader());
    let well = observed.pods.iter().filter(|pod| pod.ready && !pod.terminating).count();
    let all_well = leader.is_some() && usize::try_from(replicas).is_ok_and(|replicas| well == replicas);
    let settled = |pod: &ServerPod| pod.ready_since.is_some_and(|since| now - since >= SETTLED_SECONDS);
    let sick = observed.pods.iter().filter(outdated).find(|pod| !pod.ready);
    let next = match sick {
        // Restarting it costs nothing: it does not take part anyway.
        Some(pod) if leader.is_some() || well == 0 => Some(pod),
        Some(_) => None,
        None if all_well && observed.pods.iter().all(settled) => {
            let mut followers = observed.pods.iter().filter(outdated).filter(|pod| Some(pod.name.as_str()) != leader);
            followers.next_back().or_else(|| observed.pods.iter().find(outdated))
        }
        None => None,
    };
    next.map_or(Action::None, |pod| Action::Restart { pod: pod.name.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::fetch::Workload;
    use crate::consul::{RaftConfiguration, RaftServer};

    const NOW: i64 = 100 + SETTLED_SECONDS;

    fn observed(pods: &[(&str, bool, &str)], leader: Option<&str>) -> Observed {
        let server = |name: &&str| RaftServer {
            node: (*name).to_owned(),
            leader: Some(*name) == leader,
            voter: true,
            ..RaftServer::default()
        };
        Observed {
            servers: Workload { current: true, ..Workload::default() },
            revision: Some("new".to_owned()),
            pods: pods
                .iter()
                .map(|(name, ready, revision)| ServerPod {
                    name: (*name).to_owned(),
                    ready: *ready,
                    ready_since: ready.then_some(100),
                    revision: Some((*revision).to_owned()),
                    ..ServerPod::default()
                })
                .collect(),
            raft: leader
                .map(|_| RaftConfiguration { servers: pods.iter().map(|(name, ..)| name).map(server).collect() }),
            ..Observed::default()
        }
    }

    fn restart(pod: &str) -> Action {
        Action::Restart { pod: pod.to_owned() }
    }

    #[test]
    fn an_up_to_date_cluster_is_left_alone() {
        assert_eq!(
            plan(&observed(&[("a", true, "new"), ("b", true, "new"), ("c", true, "new")], Some("a")), 3, NOW),
            Action::None
        );
    }

    #[test]
    fn followers_go_first_and_the_leader_last() {
        assert_eq!(
            plan(&observed(&[("a", true, "old"), ("b", true, "old"), ("c", true, "old")], Some("c")), 3, NOW),
            restart("b")
        );
        assert_eq!(
            plan(&observed(&[("a", true, "old"), ("b", true, "new"), ("c", true, "old")], Some("c")), 3, NOW),
            restart("a")
        );
        assert_eq!(
            plan(&observed(&[("a", true, "new"), ("b", true, "new"), ("c", true, "old")], Some("c")), 3, NOW),
            restart("c")
        );
    }

    #[test]
    fn nothing_healthy_is_restarted_while_another_is_not_well() {
        assert_eq!(
            plan(&observed(&[("a", true, "old"), ("b", false, "new"), ("c", true, "old")], Some("c")), 3, NOW),
            Action::None
        );
        assert_eq!(plan(&observed(&[("a", true, "old"), ("b", true, "old")], Some("a")), 3, NOW), Action::None);
        assert_eq!(
            plan(&observed(&[("a", true, "old"), ("b", true, "old"), ("c", true, "old")], None), 3, NOW),
            Action::None
        );
    }

    #[test]
    fn a_sick_outdated_server_is_replaced_first() {
        assert_eq!(
            plan(&observed(&[("a", false, "old"), ("b", true, "old"), ("c", true, "old")], Some("c")), 3, NOW),
            restart("a")
        );
        assert_eq!(
            plan(&observed(&[("a", false, "old"), ("b", true, "old"), ("c", true, "old")], None), 3, NOW),
            Action::None
        );
        // A template that never worked: no pod is ready, so replacing one can only help.
        assert_eq!(
            plan(&observed(&[("a", false, "old"), ("b", false, "old"), ("c", false, "old")], None), 3, NOW),
            restart("a")
        );
    }

    #[test]
    fn waits_until_the_statefulset_has_seen_its_spec() {
        let mut state = observed(&[("a", true, "old"), ("b", true, "old"), ("c", true, "old")], Some("c"));
        state.servers.current = false;
        assert_eq!(plan(&state, 3, NOW), Action::None);
    }

    #[test]
    fn a_terminating_pod_counts_as_not_well() {
        let mut state = observed(&[("a", true, "old"), ("b", true, "old"), ("c", true, "old")], Some("c"));
        state.pods[1].terminating = true;
        assert_eq!(plan(&state, 3, NOW), Action::None);
    }

    #[test]
    fn waits_until_the_last_one_has_settled() {
        let mut state = observed(&[("a", true, "old"), ("b", true, "new"), ("c", true, "old")], Some("c"));
        state.pods[1].ready_since = Some(NOW - SETTLED_SECONDS + 1);
        assert_eq!(plan(&state, 3, NOW), Action::None);
        assert_eq!(plan(&state, 3, NOW + 1), restart("a"));
    }
}
