//! A persistent, ordered radix tree over byte keys, with a lazily made watch and the highest stamp on each node.
//!
//! A clone is a snapshot and costs one reference count. A change copies the path to the key, except for the nodes that
//! no snapshot shares, which it changes in place. A value's key is not kept: the edges spell it.
//!
//! A watch covers the subtree of its node. What is absent is covered by its deepest existing ancestor, so wakes may be
//! spurious but are never lost. Keys may be of any depth: nothing here recurses.

use std::sync::{Arc, OnceLock};

use smallvec::SmallVec;

use crate::watch::{Changes, Watch};

/// A value that carries the index of its last change.
pub(crate) trait Stamp {
    /// Index of the last change; 0 if it has none.
    fn stamp(&self) -> u64;
}

impl Stamp for u64 {
    fn stamp(&self) -> u64 {
        *self
    }
}

struct Node<T> {
    /// What the edge to this node spells, first byte included.
    edge: SmallVec<[u8; 16]>,
    value: Option<T>,
    /// Sorted by the first byte of their edges.
    kids: Vec<(u8, Arc<Node<T>>)>,
    /// Highest stamp in this subtree.
    max_stamp: u64,
    watch: OnceLock<Arc<Watch>>,
}

impl<T> Node<T> {
    fn new(edge: &[u8], value: Option<T>) -> Self
    where
        T: Stamp,
    {
        let max_stamp = value.as_ref().map_or(0, Stamp::stamp);
        Self { edge: SmallVec::from_slice(edge), value, kids: Vec::new(), max_stamp, watch: OnceLock::new() }
    }

    fn position(&self, first: u8) -> Result<usize, usize> {
        self.kids.binary_search_by_key(&first, |kid| kid.0)
    }

    fn kid(&self, first: u8) -> Option<&Arc<Self>> {
        self.position(first).ok().map(|at| &self.kids[at].1)
    }

    fn watch(&self) -> Arc<Watch> {
        Arc::clone(self.watch.get_or_init(Arc::default))
    }
}

impl<T> Drop for Node<T> {
    /// Takes the subtree apart with a stack of its own, because a chain of keys that extend each other may be deeper
    /// than the thread's stack.
    fn drop(&mut self) {
        let mut pending = std::mem::take(&mut self.kids);
        while let Some((_, kid)) = pending.pop() {
            if let Some(mut node) = Arc::into_inner(kid) {
                pending.append(&mut node.kids);
            }
        }
    }
}

/// Nodes taken out of each other from the root down, each with the place of the next one among its kids.
type Path<T> = Vec<(usize, Arc<Node<T>>)>;

/// The tree. See the module for what it promises.
pub(crate) struct Tree<T> {
    root: Arc<Node<T>>,
    len: usize,
}

impl<T> Clone for Tree<T> {
    fn clone(&self) -> Self {
        Self { root: Arc::clone(&self.root), len: self.len }
    }
}

impl<T: Clone + Stamp> Default for Tree<T> {
    fn default() -> Self {
        Self { root: Arc::new(Node::new(&[], None)), len: 0 }
    }
}

fn common_length(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// Makes the node of a slot changeable: in place if nothing shares it, else as a copy. Touches its watch in both cases.
fn own<'a, T: Clone>(slot: &'a mut Arc<Node<T>>, changes: &mut Changes) -> &'a mut Node<T> {
    if let Some(node) = Arc::get_mut(slot) {
        changes.touch_taken(node.watch.take());
    } else {
        changes.touch(&slot.watch);
        *slot = Arc::new(Node {
            edge: slot.edge.clone(),
            value: slot.value.clone(),
            kids: slot.kids.clone(),
            max_stamp: slot.max_stamp,
            watch: OnceLock::new(),
        });
    }
    Arc::get_mut(slot).expect("the node was unique or has just been made")
}

impl<T: Clone + Stamp> Tree<T> {
    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The value at a key.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&T> {
        let mut node = &self.root;
        let mut rest = key;
        while let Some(&first) = rest.first() {
            node = node.kid(first)?;
            rest = rest.strip_prefix(&*node.edge)?;
        }
        node.value.as_ref()
    }

    /// The node that holds exactly the keys with the prefix, if there are any; and the deepest node that covers it.
    fn find_prefix(&self, prefix: &[u8]) -> (Option<&Arc<Node<T>>>, &Arc<Node<T>>) {
        let mut node = &self.root;
        let mut rest = prefix;
        while let Some(&first) = rest.first() {
            let Some(kid) = node.kid(first) else { return (None, node) };
            let common = common_length(&kid.edge, rest);
            if common == rest.len() {
                return (Some(kid), kid);
            }
            if common < kid.edge.len() {
                return (None, node);
            }
            (node, rest) = (kid, &rest[common..]);
        }
        (Some(node), node)
    }

    /// Values whose keys start with the prefix, in key order.
    pub(crate) fn prefix(&self, prefix: &[u8]) -> Iter<'_, T> {
        Iter { pending: self.find_prefix(prefix).0.map(|node| &**node).into_iter().collect() }
    }

    /// All values in key order.
    pub(crate) fn iter(&self) -> Iter<'_, T> {
        self.prefix(&[])
    }

    /// All pairs in key order. Keys are put together on the way: for snapshots and rare walks.
    pub(crate) fn pairs(&self) -> Pairs<'_, T> {
        Pairs { pending: vec![(0, &*self.root)], key: Vec::new() }
    }

    /// Pairs under a prefix with a stamp above `since`, in key order. Only walks where there are any.
    pub(crate) fn newer(&self, prefix: &[u8], since: u64) -> Vec<(Vec<u8>, &T)> {
        let mut found = Vec::new();
        let mut key: Vec<u8> = Vec::new();
        let mut pending = vec![(0, &*self.root)];
        while let Some((above, node)) = pending.pop() {
            key.truncate(above);
            key.extend_from_slice(&node.edge);
            let shared = key.len().min(prefix.len());
            if node.max_stamp <= since || key[..shared] != prefix[..shared] {
                continue;
            }
            let length = key.len();
            pending.extend(node.kids.iter().rev().map(|(_, kid)| (length, &**kid)));
            if let Some(value) = node.value.as_ref().filter(|value| value.stamp() > since)
                && length >= prefix.len()
            {
                found.push((key.clone(), value));
            }
        }
        found
    }

    /// Highest stamp under a prefix; 0 when there is nothing.
    pub(crate) fn max_stamp(&self, prefix: &[u8]) -> u64 {
        self.find_prefix(prefix).0.map_or(0, |node| node.max_stamp)
    }

    /// Highest stamp of the values whose keys the given key starts with; 0 when there are none.
    pub(crate) fn max_stamp_above(&self, key: &[u8]) -> u64 {
        let mut node = &self.root;
        let mut rest = key;
        let mut highest = 0;
        loop {
            highest = node.value.as_ref().map_or(0, Stamp::stamp).max(highest);
            let Some(kid) = rest.first().and_then(|first| node.kid(*first)) else { return highest };
            let Some(left) = rest.strip_prefix(&*kid.edge) else { return highest };
            (node, rest) = (kid, left);
        }
    }

    /// A watch that fires when the value at the key changes, appears or goes.
    pub(crate) fn watch_key(&self, key: &[u8]) -> Arc<Watch> {
        let mut node = &self.root;
        let mut rest = key;
        while let Some(&first) = rest.first() {
            let Some(kid) = node.kid(first) else { break };
            let Some(left) = rest.strip_prefix(&*kid.edge) else { break };
            (node, rest) = (kid, left);
        }
        node.watch()
    }

    /// A watch that fires when anything under the prefix changes, appears or goes.
    pub(crate) fn watch_prefix(&self, prefix: &[u8]) -> Arc<Watch> {
        self.find_prefix(prefix).1.watch()
    }

    /// Sets a value; returns the one that it replaces.
    pub(crate) fn insert(&mut self, key: &[u8], value: T, changes: &mut Changes) -> Option<T> {
        let stamp = value.stamp();
        let mut slot = &mut self.root;
        let mut rest = key;
        loop {
            let node = own(slot, changes);
            node.max_stamp = node.max_stamp.max(stamp);
            let Some(&first) = rest.first() else {
                let old = node.value.replace(value);
                self.len += usize::from(old.is_none());
                if old.as_ref().is_some_and(|old| old.stamp() > stamp) {
                    self.refresh_path(key, changes);
                }
                return old;
            };
            match node.position(first) {
                Err(at) => {
                    node.kids.insert(at, (first, Arc::new(Node::new(rest, Some(value)))));
                    self.len += 1;
                    return None;
                }
                Ok(at) => {
                    let kid = &mut node.kids[at].1;
                    let common = common_length(&kid.edge, rest);
                    if common < kid.edge.len() {
                        split(kid, common, changes);
                    }
                    (slot, rest) = (kid, &rest[common..]);
                }
            }
        }
    }

    /// Finds the highest stamps down to a key anew, after a value has been replaced by one with a lower stamp.
    fn refresh_path(&mut self, key: &[u8], changes: &mut Changes) {
        let (mut path, mut target) = self.open_path(key, changes);
        refresh_max_stamp(own(&mut target, changes));
        self.close_path(&mut path, Some(target), changes);
    }

    /// Takes a value out. An absent key touches nothing.
    pub(crate) fn remove(&mut self, key: &[u8], changes: &mut Changes) -> Option<T> {
        self.get(key)?;
        let (mut path, mut target) = self.open_path(key, changes);
        let node = own(&mut target, changes);
        let value = node.value.take()?;
        refresh_max_stamp(node);
        self.len -= 1;
        let kept = tidy(target, path.is_empty(), changes);
        self.close_path(&mut path, kept, changes);
        Some(value)
    }

    /// Takes everything under a prefix out; returns how many values went.
    pub(crate) fn remove_prefix(&mut self, prefix: &[u8], changes: &mut Changes) -> usize {
        if self.find_prefix(prefix).0.is_none() {
            return 0;
        }
        let (mut path, target) = self.open_path(prefix, changes);
        let mut removed = 0;
        let mut pending = vec![&*target];
        while let Some(node) = pending.pop() {
            changes.touch(&node.watch);
            removed += usize::from(node.value.is_some());
            pending.extend(node.kids.iter().map(|(_, kid)| &**kid));
        }
        self.len -= removed;
        let kept = if path.is_empty() { Some(Arc::new(Node::new(&[], None))) } else { None };
        self.close_path(&mut path, kept, changes);
        removed
    }

    /// Touches every node: for a tree that is about to be replaced as a whole.
    pub(crate) fn touch_all(&self, changes: &mut Changes) {
        let mut pending = vec![&*self.root];
        while let Some(node) = pending.pop() {
            changes.touch(&node.watch);
            pending.extend(node.kids.iter().map(|(_, kid)| &**kid));
        }
    }

    /// Takes the tree apart down to the first node that spells at least `key`, which must be there.
    fn open_path(&mut self, key: &[u8], changes: &mut Changes) -> (Path<T>, Arc<Node<T>>) {
        let mut path = Vec::new();
        let mut current = std::mem::replace(&mut self.root, Arc::new(Node::new(&[], None)));
        let mut rest = key;
        while let Some(&first) = rest.first() {
            let node = own(&mut current, changes);
            let Ok(at) = node.position(first) else { break };
            let (_, kid) = node.kids.remove(at);
            rest = &rest[kid.edge.len().min(rest.len())..];
            path.push((at, std::mem::replace(&mut current, kid)));
        }
        (path, current)
    }

    /// Puts the tree together again after [`Self::open_path`], without the lowest node if `kept` is `None`.
    fn close_path(&mut self, path: &mut Path<T>, mut kept: Option<Arc<Node<T>>>, changes: &mut Changes) {
        while let Some((at, mut parent)) = path.pop() {
            let node = own(&mut parent, changes);
            if let Some(kid) = kept.take() {
                node.kids.insert(at, (kid.edge[0], kid));
            }
            refresh_max_stamp(node);
            kept = tidy(parent, path.is_empty(), changes);
        }
        if let Some(root) = kept {
            self.root = root;
        }
    }
}

/// Puts a node between a kid and its parent, after the first `at` bytes of the kid's edge.
fn split<T: Clone + Stamp>(slot: &mut Arc<Node<T>>, at: usize, changes: &mut Changes) {
    let mut upper = Node::new(&slot.edge[..at], None);
    let lower = own(slot, changes);
    lower.edge.drain(..at);
    upper.max_stamp = lower.max_stamp;
    let first = lower.edge[0];
    let lower = std::mem::replace(slot, Arc::new(upper));
    Arc::get_mut(slot).expect("the node has just been made").kids.push((first, lower));
}

fn refresh_max_stamp<T: Stamp>(node: &mut Node<T>) {
    let own = node.value.as_ref().map_or(0, Stamp::stamp);
    node.max_stamp = node.kids.iter().map(|(_, kid)| kid.max_stamp).fold(own, u64::max);
}

/// What remains of a node after a removal below it: nothing if it is empty, its only kid if it has no value of its own.
fn tidy<T: Clone>(mut node: Arc<Node<T>>, is_root: bool, changes: &mut Changes) -> Option<Arc<Node<T>>> {
    if is_root || node.value.is_some() || node.kids.len() > 1 {
        return Some(node);
    }
    let upper = own(&mut node, changes);
    let (_, mut kid) = upper.kids.pop()?;
    let lower = own(&mut kid, changes);
    lower.edge.insert_from_slice(0, &upper.edge);
    Some(kid)
}

/// Values in key order.
pub(crate) struct Iter<'a, T> {
    pending: Vec<&'a Node<T>>,
}

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        loop {
            let node = self.pending.pop()?;
            self.pending.extend(node.kids.iter().rev().map(|(_, kid)| &**kid));
            if let Some(value) = &node.value {
                return Some(value);
            }
        }
    }
}

/// Pairs in key order.
pub(crate) struct Pairs<'a, T> {
    /// Nodes to visit with the length of what is spelled above them.
    pending: Vec<(usize, &'a Node<T>)>,
    key: Vec<u8>,
}

impl<'a, T> Iterator for Pairs<'a, T> {
    type Item = (Vec<u8>, &'a T);

    fn next(&mut self) -> Option<(Vec<u8>, &'a T)> {
        loop {
            let (above, node) = self.pending.pop()?;
            self.key.truncate(above);
            self.key.extend_from_slice(&node.edge);
            let length = self.key.len();
            self.pending.extend(node.kids.iter().rev().map(|(_, kid)| (length, &**kid)));
            if let Some(value) = &node.value {
                return Some((self.key.clone(), value));
            }
        }
    }
}

#[cfg(test)]
mod tests;
