//! Watches that send only what changed, as server-sent events: `?stream` on keys and on the health of a service.
//!
//! Nothing is queued per change: the next answer is asked for when the last one has been taken, so a watcher that reads
//! slowly gets several changes of a key as one. What a watcher costs is what it must remember to tell deletions apart,
//! and a queue of frames; both are limited.

use std::collections::{BTreeSet, HashMap, hash_map::DefaultHasher};
use std::hash::{Hash, Hasher};

use axum::body::{Body as HttpBody, Bytes};
use futures::stream::{self, StreamExt as _};
use http::header::{CACHE_CONTROL, HeaderValue};
use model::{Key, KvSince, Token};
use serde::Serialize;
use serde_json::json;
use server::request::{
    Action, Answer as Rows, Body, Consistency, Form, Query, ReadMeta, ReadOptions, Request, RequestError, Response,
};
use tokio::sync::{mpsc, oneshot};

use super::extract::{Call, parse_u64, unexpected};
use super::limits::{STREAM_FRAMES_MAX, STREAM_PULSE, STREAM_ROWS_MAX, STREAM_STALL_MAX};
use super::reply::{Answer, Failure, Reply};
use crate::backend::Backend;

/// Streams the changes of the keys under a prefix.
pub fn keys(call: &Call<'_>, prefix: Key) -> Answer {
    let stream = Source::new(call)?;
    let resume = resume_index(call)?;
    start(|frames| watch_keys(stream, frames, prefix, resume))
}

/// Streams the changes of the instances that a health question asks for.
pub fn health(call: &Call<'_>, query: Query) -> Answer {
    let stream = Source::new(call)?;
    let resume = resume_index(call)?;
    start(|frames| watch_health(stream, frames, query, resume))
}

/// Index after which changes are wanted: `Last-Event-ID`, else `?index`; 0 for everything.
fn resume_index(call: &Call<'_>) -> Result<u64, Failure> {
    let header = call.headers.get("last-event-id").and_then(|value| value.to_str().ok());
    match header.unwrap_or_else(|| call.query.text("index")) {
        "" => Ok(0),
        text => parse_u64(text).map_err(|_| Failure::bad_request("Invalid index")),
    }
}

fn start<F, W>(watch: F) -> Answer
where
    F: FnOnce(Frames) -> W,
    W: Future<Output = Result<(), End>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(STREAM_FRAMES_MAX);
    let (say_why, why) = oneshot::channel();
    let watch = watch(Frames { sender });
    tokio::spawn(async move {
        if let Err(End::Because(reason)) = watch.await {
            // The reader may be gone; then nobody needs the reason.
            drop(say_why.send(reason));
        }
    });
    let frames = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    let last = stream::once(why).filter_map(async |why| Some(frame("end", None, &json!({"Reason": why.ok()?}))));
    let body = HttpBody::from_stream(frames.chain(last).map(Ok::<Bytes, std::convert::Infallible>));
    let reply = Reply::stream(HeaderValue::from_static("text/event-stream"), body);
    Ok(reply.with_header(CACHE_CONTROL, HeaderValue::from_static("no-cache")))
}

/// Why a stream ends.
enum End {
    /// The reader is told.
    Because(String),
    /// There is no reader any more.
    Gone,
}

impl From<RequestError> for End {
    fn from(error: RequestError) -> Self {
        Self::Because(error.to_string())
    }
}

/// The way to the reader.
struct Frames {
    sender: mpsc::Sender<Bytes>,
}

impl Frames {
    async fn send(&self, frame: Bytes) -> Result<(), End> {
        match tokio::time::timeout(STREAM_STALL_MAX, self.sender.send(frame)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => {
                let seconds = STREAM_STALL_MAX.as_secs();
                Err(End::Because(format!("nothing was read for {seconds} seconds; resume from the last event's id")))
            }
        }
    }

    async fn event(&self, event: &str, index: Option<u64>, data: &impl Serialize) -> Result<(), End> {
        self.send(frame(event, index, data)).await
    }
}

/// One event. Its id, if any, is an index: everything up to it has been sent.
fn frame(event: &str, index: Option<u64>, data: &impl Serialize) -> Bytes {
    let mut text = index.map(|index| format!("id: {index}\n")).unwrap_or_default().into_bytes();
    text.extend_from_slice(format!("event: {event}\ndata: ").as_bytes());
    text.extend_from_slice(&model::to_json(data).unwrap_or_default());
    text.extend_from_slice(b"\n\n");
    text.into()
}

/// Where answers come from.
struct Source {
    backend: Backend,
    datacenter: String,
    token: Token,
    consistency: Consistency,
    filter: String,
}

impl Source {
    fn new(call: &Call<'_>) -> Result<Self, Failure> {
        Ok(Self {
            backend: call.state.backend.clone(),
            datacenter: call.query.text("dc").to_owned(),
            token: call.token(),
            consistency: call.consistency()?.0,
            filter: call.query.text("filter").to_owned(),
        })
    }

    async fn read(&self, query: Query, min_index: u64) -> Result<(ReadMeta, Rows), End> {
        let options = ReadOptions {
            consistency: self.consistency,
            min_index,
            wait_ms: u64::try_from(STREAM_PULSE.as_millis()).unwrap_or(u64::MAX),
            filter: self.filter.clone(),
            form: Form::Rows,
            ..ReadOptions::default()
        };
        let action = Action::Read(options, query);
        let request = Request { datacenter: self.datacenter.clone(), token: self.token.clone(), action };
        match self.backend.call(request).await? {
            Response::Read(meta, Body::Rows(rows)) => Ok((meta, rows)),
            other => Err(End::Because(unexpected(&other).message().to_owned())),
        }
    }

    async fn since(&self, prefix: &Key, since: u64, min_index: u64) -> Result<(ReadMeta, KvSince), End> {
        match self.read(Query::KvSince { prefix: prefix.clone(), since }, min_index).await? {
            (meta, Rows::KvSince(changes)) => Ok((meta, changes)),
            _ => Err(End::Because("unexpected rows from the server in place of changes".to_owned())),
        }
    }

    async fn known_keys(&self, prefix: &Key) -> Result<BTreeSet<Key>, End> {
        match self.read(Query::KvKeys { prefix: prefix.clone(), separator: Vec::new() }, 0).await? {
            (_, Rows::Keys(keys)) => within_limit(keys.len()).map(|()| keys.into_iter().collect()),
            _ => Err(End::Because("unexpected rows from the server in place of keys".to_owned())),
        }
    }
}

fn within_limit(rows: usize) -> Result<(), End> {
    if rows <= STREAM_ROWS_MAX {
        return Ok(());
    }
    Err(End::Because(format!(
        "{rows} rows are more than a stream may watch ({STREAM_ROWS_MAX}): watch a longer prefix"
    )))
}

async fn watch_keys(source: Source, frames: Frames, prefix: Key, resume: u64) -> Result<(), End> {
    // The keys come first: what is deleted after them is in what happened since, so nothing falls between.
    let mut known = source.known_keys(&prefix).await?;
    let (mut meta, mut changes) = source.since(&prefix, resume, 0).await?;
    let is_resumed = resume > 0 && resume <= changes.index && changes.is_complete && changes.deleted.is_empty();
    if !is_resumed {
        if resume > 0 {
            frames.event("reset", None, &json!({"Index": changes.index})).await?;
            (meta, changes) = source.since(&prefix, 0, 0).await?;
        }
        known.clear();
    }
    let mut index = tell_all(&frames, &mut known, changes).await?;
    loop {
        let wait_for = meta.index;
        (meta, changes) = source.since(&prefix, index, wait_for).await?;
        if changes.index < index {
            // Another server answered, which is not that far.
            meta.index = wait_for;
            continue;
        }
        if !changes.is_complete {
            frames.event("reset", None, &json!({"Index": changes.index})).await?;
            known.clear();
            (meta, changes) = source.since(&prefix, 0, 0).await?;
            index = tell_all(&frames, &mut known, changes).await?;
            continue;
        }
        index = changes.index;
        if changes.entries.is_empty() && changes.deleted.is_empty() {
            frames.send(format!("id: {index}\n: nothing new\n\n").into()).await?;
            continue;
        }
        // A deleted key may stand for a tree: then what is left tells what went.
        let is_tree =
            |key: &Key| known.range(key.clone()..).take(2).any(|other| other != key && other.starts_with(key));
        let left = match changes.deleted.iter().any(|(key, _)| is_tree(key)) {
            true => source.known_keys(&prefix).await?,
            false => BTreeSet::new(),
        };
        tell_keys(&frames, &mut known, changes, &left).await?;
    }
}

/// Sends everything there is, and that this was all; returns the index of it.
async fn tell_all(frames: &Frames, known: &mut BTreeSet<Key>, mut changes: KvSince) -> Result<u64, End> {
    let index = changes.index;
    changes.deleted.clear();
    tell_keys(frames, known, changes, &BTreeSet::new()).await?;
    frames.event("current", Some(index), &json!({"Index": index})).await?;
    Ok(index)
}

/// Sends what happened in the order of its indexes, and an id with the last event of each index.
async fn tell_keys(
    frames: &Frames,
    known: &mut BTreeSet<Key>,
    changes: KvSince,
    left: &BTreeSet<Key>,
) -> Result<(), End> {
    let written: BTreeSet<Key> = changes.entries.iter().map(|entry| entry.key.clone()).collect();
    let mut events: Vec<(u64, &'static str, serde_json::Value)> = Vec::new();
    for (prefix, at) in &changes.deleted {
        let under: Vec<Key> =
            known.range(prefix.clone()..).take_while(|key| key.starts_with(prefix)).cloned().collect();
        for key in under {
            if !written.contains(&key) && (key == *prefix || !left.contains(&key)) {
                known.remove(&key);
                events.push((*at, "delete", json!({"Key": key, "ModifyIndex": at})));
            }
        }
    }
    for entry in changes.entries {
        known.insert(entry.key.clone());
        events.push((entry.modify_index, "put", json!(entry)));
    }
    within_limit(known.len())?;
    events.sort_by_key(|(at, ..)| *at);
    for number in 0..events.len() {
        let (at, event, data) = &events[number];
        let is_last_of_index = events.get(number + 1).is_none_or(|(next, ..)| next != at);
        let id = is_last_of_index.then_some(*at);
        frames.event(event, id, data).await?;
    }
    Ok(())
}

async fn watch_health(source: Source, frames: Frames, query: Query, resume: u64) -> Result<(), End> {
    let mut known: HashMap<(String, String, String), u64> = HashMap::new();
    let mut index = 0;
    loop {
        let (meta, rows) = source.read(query.clone(), index).await?;
        let Rows::Health(rows) = rows else {
            return Err(End::Because("unexpected rows from the server in place of instances".to_owned()));
        };
        within_limit(rows.len())?;
        let is_first = index == 0;
        if !is_first && meta.index == index {
            frames.send(Bytes::from_static(b": nothing new\n\n")).await?;
            continue;
        }
        // Which instances are gone since an index is not kept: only a reader that has missed nothing can go on.
        let is_resumed = is_first && resume == meta.index;
        if is_first && resume > 0 && !is_resumed {
            frames.event("reset", None, &json!({"Index": meta.index})).await?;
        }
        let mut gone = std::mem::take(&mut known);
        for row in rows {
            let json = model::to_json(&row).unwrap_or_default();
            let mut hasher = DefaultHasher::new();
            json.hash(&mut hasher);
            let name = (row.service.service.to_string(), row.node.node.to_string(), row.service.id.to_string());
            if gone.remove(&name) != Some(hasher.finish()) && !is_resumed {
                frames.event("put", None, &row).await?;
            }
            known.insert(name, hasher.finish());
        }
        for (service, node, id) in gone.into_keys() {
            frames.event("delete", None, &json!({"Service": service, "Node": node, "ServiceID": id})).await?;
        }
        index = meta.index;
        frames.event("current", Some(index), &json!({"Index": index})).await?;
    }
}
