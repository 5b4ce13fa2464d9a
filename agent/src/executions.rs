//! Executions of prepared queries that this agent keeps, for `?cached` and for DNS where it is told to.
//!
//! Other than the answers of `cache` they cannot be followed: each is as old as its execution, and whoever reads it says how
//! old it may be.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::{QueryExecution, Token};
use server::request::{ExecuteQuery, ReadMeta};

/// Most instances in all executions that are kept.
const INSTANCES_MAX: usize = 65_536;
/// One that nobody asked for in this time is given up.
const IDLE_MAX: Duration = Duration::from_secs(600);

/// A kept execution.
#[derive(Clone, Debug)]
pub struct Execution {
    /// Facts about it.
    pub meta: ReadMeta,
    /// What it brought.
    pub found: Arc<QueryExecution>,
    /// When it was executed.
    pub at: Instant,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    datacenter: String,
    token: String,
    query: ExecuteQuery,
}

impl Key {
    fn new(datacenter: &str, token: &Token, query: &ExecuteQuery) -> Self {
        // The seed only shuffles: executions with different ones are the same.
        let query = ExecuteQuery { seed: 0, ..query.clone() };
        Self { datacenter: datacenter.to_owned(), token: token.secret().to_owned(), query }
    }
}

struct Entry {
    execution: Execution,
    used: Instant,
}

/// The kept executions of an agent.
#[derive(Default)]
pub struct Executions(Mutex<HashMap<Key, Entry>>);

impl Executions {
    /// What the query brought before, for this caller and, if an age is given, no longer ago than that.
    #[must_use]
    pub fn find(
        &self,
        datacenter: &str,
        token: &Token,
        query: &ExecuteQuery,
        max_age: Option<Duration>,
    ) -> Option<Execution> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get_mut(&Key::new(datacenter, token, query))?;
        if max_age.is_some_and(|max| entry.execution.at.elapsed() > max) {
            return None;
        }
        entry.used = Instant::now();
        Some(entry.execution.clone())
    }

    /// Keeps an execution, unless there are too many.
    pub fn keep(&self, datacenter: &str, token: &Token, query: &ExecuteQuery, execution: Execution) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, entry| entry.used.elapsed() < IDLE_MAX);
        let instances: usize = entries.values().map(|entry| entry.execution.found.nodes.len() + 1).sum();
        if instances + execution.found.nodes.len() < INSTANCES_MAX {
            entries.insert(Key::new(datacenter, token, query), Entry { execution, used: Instant::now() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(seed: u64, limit: usize) -> ExecuteQuery {
        ExecuteQuery { id_or_name: "q".to_owned(), seed, limit, ..ExecuteQuery::default() }
    }

    fn execution(instances: usize) -> Execution {
        let instance =
            model::CheckServiceNode { node: Arc::default(), service: Arc::default(), checks: Vec::default() };
        let found = QueryExecution { nodes: vec![instance; instances], ..QueryExecution::default() };
        Execution { meta: ReadMeta::default(), found: Arc::new(found), at: Instant::now() }
    }

    #[test]
    fn the_same_question_of_the_same_caller_finds_it_while_it_is_young() {
        let (kept, token) = (Executions::default(), Token::new("secret"));
        kept.keep("dc1", &token, &query(1, 0), execution(0));
        assert!(kept.find("dc1", &token, &query(2, 0), None).is_some(), "the seed does not matter");
        assert!(kept.find("dc1", &token, &query(1, 5), None).is_none(), "the limit does");
        assert!(kept.find("dc2", &token, &query(1, 0), None).is_none());
        assert!(kept.find("dc1", &Token::default(), &query(1, 0), None).is_none());
        assert!(kept.find("dc1", &token, &query(1, 0), Some(Duration::ZERO)).is_none(), "it is older than that");
        assert!(kept.find("dc1", &token, &query(1, 0), Some(Duration::from_secs(60))).is_some());
    }

    #[test]
    fn too_many_instances_are_not_kept() {
        let (kept, token) = (Executions::default(), Token::default());
        kept.keep("", &token, &query(0, 1), execution(INSTANCES_MAX - 1));
        kept.keep("", &token, &query(0, 2), execution(2));
        assert!(kept.find("", &token, &query(0, 1), None).is_some());
        assert!(kept.find("", &token, &query(0, 2), None).is_none());
    }
}
