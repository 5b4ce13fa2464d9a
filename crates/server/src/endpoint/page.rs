//! Parts of lists: `limit` and `after`, and how deep a list of keys goes.
//!
//! A cursor is the name of the last row that the reader has, not a place: rows that come and go in between shift
//! nothing. With a page asked for, rows are in the order of their names.

use model::{HealthCheck, Key, NodeService};

use crate::request::{Answer, Page, Query};

const SEPARATOR: u8 = b'/';

/// Cuts the page out of an answer; answers that are no list stay as they are.
pub(super) fn cut(answer: Answer, query: &Query, page: &Page) -> Answer {
    let instance =
        |node: &str, service: &NodeService| format!("{}/{node}/{}", service.service, service.id).into_bytes();
    let of_check = |check: &HealthCheck| format!("{}/{}", check.node, check.check_id).into_bytes();
    match answer {
        Answer::Kv(mut entries) => {
            if let (Some(depth), Query::KvList { prefix, .. }) = (page.depth, query) {
                entries.retain(|entry| cut_at(&entry.key, prefix.len(), depth).is_none());
            }
            Answer::Kv(rows(entries, page, |entry| entry.key.to_vec()))
        }
        Answer::Keys(mut keys) => {
            if let (Some(depth), Query::KvKeys { prefix, .. }) = (page.depth, query) {
                let folder = |key: &Key| cut_at(key, prefix.len(), depth).map_or_else(|| key.clone(), Key::new);
                keys = keys.iter().map(folder).collect();
                keys.dedup();
            }
            Answer::Keys(rows(keys, page, |key| key.to_vec()))
        }
        Answer::Nodes(nodes) => Answer::Nodes(rows(nodes, page, |node| node.node.as_bytes().to_vec())),
        Answer::Services(services) => {
            let pairs = rows(services.into_iter().collect(), page, |(name, _)| name.as_bytes().to_vec());
            Answer::Services(pairs.into_iter().collect())
        }
        Answer::ServiceNodes(instances) => {
            Answer::ServiceNodes(rows(instances, page, |row| instance(&row.node.node, &row.service)))
        }
        Answer::Health(instances) => {
            Answer::Health(rows(instances, page, |row| instance(&row.node.node, &row.service)))
        }
        Answer::Checks(checks) => Answer::Checks(rows(checks, page, |check| of_check(check))),
        other => other,
    }
}

/// The rows of the page in the order of their names.
fn rows<T>(rows: Vec<T>, page: &Page, name: impl Fn(&T) -> Vec<u8>) -> Vec<T> {
    let mut named: Vec<(Vec<u8>, T)> = rows.into_iter().map(|row| (name(&row), row)).collect();
    if !page.after.is_empty() {
        named.retain(|(name, _)| name.as_slice() > page.after.as_bytes());
    }
    named.sort_by(|(one, _), (other, _)| one.cmp(other));
    let limit = page.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    named.into_iter().take(limit).map(|(_, row)| row).collect()
}

/// The key up to its `depth`th separator below the prefix, with it; `None` when it is not deeper.
fn cut_at(key: &[u8], prefix: usize, depth: u32) -> Option<&[u8]> {
    let below = key.get(prefix..)?;
    let mut separators = below.iter().enumerate().filter(|(_, byte)| **byte == SEPARATOR);
    let (at, _) = separators.nth(usize::try_from(depth).ok()?.checked_sub(1)?)?;
    Some(&key[..=prefix + at]).filter(|cut| cut.len() < key.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(texts: &[&str]) -> Answer {
        Answer::Keys(texts.iter().map(|text| Key::from(*text)).collect())
    }

    fn under(prefix: &str) -> Query {
        Query::KvKeys { prefix: Key::from(prefix), separator: Vec::new() }
    }

    #[test]
    fn pages_follow_each_other_whatever_comes_and_goes() {
        let page = |after: &str| Page { limit: Some(2), after: after.to_owned(), depth: None };
        let query = under("");
        assert_eq!(cut(keys(&["a", "b", "c", "d"]), &query, &page("")), keys(&["a", "b"]));
        assert_eq!(cut(keys(&["a", "c", "d", "e"]), &query, &page("b")), keys(&["c", "d"]));
        assert_eq!(cut(keys(&["a"]), &query, &page("d")), keys(&[]));
    }

    #[test]
    fn depth_counts_folders_below_the_prefix() {
        let page = |depth| Page { limit: None, after: String::new(), depth: Some(depth) };
        let all = || keys(&["p/a", "p/b/", "p/b/c", "p/b/c/d", "p/e/f"]);
        assert_eq!(cut(all(), &under("p/"), &page(1)), keys(&["p/a", "p/b/", "p/e/"]));
        assert_eq!(cut(all(), &under("p/"), &page(2)), keys(&["p/a", "p/b/", "p/b/c", "p/b/c/", "p/e/f"]));
        assert_eq!(cut(all(), &under("p/"), &page(0)), all());
    }
}
