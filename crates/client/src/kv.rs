//! `/v1/kv`.

use bytes::Bytes;
use model::{Key, KvEntry, SessionId};

use crate::error::Error;
use crate::query::{Answer, QueryOptions, Target};
use crate::transport::{Client, Method, answer};

/// When a write of a key is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Always.
    #[default]
    Always,
    /// If its `ModifyIndex` is this; 0 means that it must not exist.
    Index(u64),
    /// If the session gets the lock.
    Acquire(SessionId),
    /// If the session has the lock, which is then given up.
    Release(SessionId),
}

/// How a key is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutOptions {
    /// When it is done.
    pub condition: Condition,
    /// Flags to store.
    pub flags: u64,
    /// How long the entry lives, as `30s`; empty for ever. Not in Consul.
    pub ttl: String,
    /// Datacenter to write in; empty means the agent's own.
    pub datacenter: String,
}

/// What a key was from one index on.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct KvPast {
    /// The entry; of a deletion only the key and the index.
    #[serde(flatten)]
    pub entry: KvEntry,
    /// Whether it was deleted.
    pub deleted: bool,
}

impl Client {
    /// One entry; `None` where there is none.
    pub async fn kv_get(&self, key: &Key, options: &QueryOptions) -> Result<Answer<Option<KvEntry>>, Error> {
        let found: Answer<Vec<KvEntry>> = self.kv_rows(target(key), options).await?;
        Ok(found.first())
    }

    /// One entry as it was at an index; `None` where there was none. Not in Consul.
    pub async fn kv_get_at(
        &self,
        key: &Key,
        index: u64,
        options: &QueryOptions,
    ) -> Result<Answer<Option<KvEntry>>, Error> {
        let found: Answer<Vec<KvEntry>> =
            self.kv_rows(target(key).pair("at-index", &index.to_string()), options).await?;
        Ok(found.first())
    }

    /// All entries whose keys start with the prefix, as they were at an index. Not in Consul.
    pub async fn kv_list_at(
        &self,
        prefix: &Key,
        index: u64,
        options: &QueryOptions,
    ) -> Result<Answer<Vec<KvEntry>>, Error> {
        self.kv_rows(target(prefix).key("recurse").pair("at-index", &index.to_string()), options).await
    }

    /// All that is known of a key, the newest first. Not in Consul.
    pub async fn kv_history(&self, key: &Key, options: &QueryOptions) -> Result<Answer<Vec<KvPast>>, Error> {
        self.kv_rows(target(key).key("history"), options).await
    }

    /// All entries whose keys start with the prefix.
    pub async fn kv_list(&self, prefix: &Key, options: &QueryOptions) -> Result<Answer<Vec<KvEntry>>, Error> {
        self.kv_rows(target(prefix).key("recurse"), options).await
    }

    /// The keys below the prefix, cut after the first separator; an empty separator gives whole keys.
    pub async fn kv_keys(
        &self,
        prefix: &Key,
        separator: &str,
        options: &QueryOptions,
    ) -> Result<Answer<Vec<String>>, Error> {
        self.kv_rows(target(prefix).key("keys").optional("separator", separator), options).await
    }

    /// Writes a key; `false` where the condition did not hold.
    pub async fn kv_put(&self, key: &Key, value: impl Into<Bytes>, options: &PutOptions) -> Result<bool, Error> {
        let mut to = target(key).optional("dc", &options.datacenter).optional("ttl", &options.ttl);
        if options.flags != 0 {
            to = to.pair("flags", &options.flags.to_string());
        }
        to = match &options.condition {
            Condition::Always => to,
            Condition::Index(index) => to.pair("cas", &index.to_string()),
            Condition::Acquire(session) => to.pair("acquire", session),
            Condition::Release(session) => to.pair("release", session),
        };
        self.change(Method::Put, &to, value).await
    }

    /// Deletes a key; with an index only if its `ModifyIndex` is that, `false` where it is not.
    pub async fn kv_delete(&self, key: &Key, index: Option<u64>, datacenter: &str) -> Result<bool, Error> {
        let mut to = target(key).optional("dc", datacenter);
        if let Some(index) = index {
            to = to.pair("cas", &index.to_string());
        }
        self.change(Method::Delete, &to, Bytes::new()).await
    }

    /// Deletes all keys that start with the prefix.
    pub async fn kv_delete_tree(&self, prefix: &Key, datacenter: &str) -> Result<bool, Error> {
        let to = target(prefix).key("recurse").optional("dc", datacenter);
        self.change(Method::Delete, &to, Bytes::new()).await
    }

    /// Writes everything under a prefix under another as well, as one change; `false` where there is nothing. Not in
    /// Consul.
    pub async fn kv_copy(&self, from: &Key, to: &Key, datacenter: &str) -> Result<bool, Error> {
        let to = target(to).pair("copy-from", &from.to_string()).optional("dc", datacenter);
        self.change(Method::Put, &to, Bytes::new()).await
    }

    /// As [`Self::kv_copy`], and deletes the originals. Not in Consul.
    pub async fn kv_move(&self, from: &Key, to: &Key, datacenter: &str) -> Result<bool, Error> {
        let to = target(to).pair("move-from", &from.to_string()).optional("dc", datacenter);
        self.change(Method::Put, &to, Bytes::new()).await
    }

    /// 404 is how the API says that there is nothing.
    async fn kv_rows<T: serde::de::DeserializeOwned>(
        &self,
        to: Target,
        options: &QueryOptions,
    ) -> Result<Answer<Vec<T>>, Error> {
        let path = to.text();
        let mut reply = self.get(to, options).await?;
        if reply.status == 404 && reply.body.is_empty() {
            reply.status = 200;
            reply.body = Bytes::from_static(b"[]");
        }
        let found: Answer<Option<Vec<T>>> = answer(&path, &reply.ok()?)?;
        Ok(found.or_empty())
    }
}

impl<T> Answer<Vec<T>> {
    fn first(self) -> Answer<Option<T>> {
        Answer {
            rows: self.rows.into_iter().next(),
            index: self.index,
            known_leader: self.known_leader,
            last_contact: self.last_contact,
        }
    }
}

impl<T> Answer<Option<Vec<T>>> {
    /// `null` is an empty list in this API.
    pub(crate) fn or_empty(self) -> Answer<Vec<T>> {
        Answer {
            rows: self.rows.unwrap_or_default(),
            index: self.index,
            known_leader: self.known_leader,
            last_contact: self.last_contact,
        }
    }
}

/// A slash at the start of a key is the path's, as in Consul's client.
fn target(key: &Key) -> Target {
    let bytes = key.as_bytes();
    Target::new("/v1/kv").below(bytes.strip_prefix(b"/").unwrap_or(bytes))
}
