//! Locks and semaphores over keys, in the very form that Consul's own clients use, so that all of them respect each other.
//!
//! A lock is the key `PREFIX/.lock`, held by a session. A semaphore is the same key with a list of holders in it, changed
//! only by compare-and-set, and one key per contender, held by its session, which shows that the contender lives.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Key, KvEntry, SessionBehavior, SessionId, format_duration};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::error::Error;
use crate::kv::{Condition, PutOptions};
use crate::query::QueryOptions;
use crate::session::SessionRequest;
use crate::transport::Client;

/// Flags that mark the key of a lock.
const LOCK_FLAGS: u64 = 0x2ddc_cbc0_58a5_0c18;
/// Flags that mark the keys of a semaphore.
const SEMAPHORE_FLAGS: u64 = 0xe0f6_9a2b_aa41_4de0;
/// Longest wait of one look at the keys.
const WAIT: Duration = Duration::from_secs(15);
/// Pause before a lock that nobody holds is tried again: it is within its lock-delay.
const DELAY_RETRY: Duration = Duration::from_secs(1);
/// TTL of the sessions.
const SESSION_TTL: Duration = Duration::from_secs(15);
/// Pause after a renewal that failed.
const RENEW_RETRY: Duration = Duration::from_secs(1);

/// What to hold.
#[derive(Clone, Debug)]
pub struct LockOptions {
    /// Prefix of the keys, without a slash at its end.
    pub prefix: String,
    /// How many may hold it at a time: 1 for a lock, more for a semaphore.
    pub limit: u64,
    /// Name of the session, for people.
    pub session_name: String,
    /// How often a failed look is repeated while holding, before the lock counts as lost.
    pub monitor_retries: u32,
    /// Pause before such a repetition.
    pub monitor_pause: Duration,
    /// Datacenter of the keys; empty means the agent's own.
    pub datacenter: String,
}

/// Why a lock was not got or not cleaned up.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The key is something else.
    #[error("Existing key does not match lock use")]
    NotALock,
    /// The keys are something else.
    #[error("Existing key does not match semaphore use")]
    NotASemaphore,
    /// Others use the semaphore with another limit.
    #[error("semaphore limit conflict (lock: {there}, local: {ours})")]
    Limit {
        /// The limit that is there.
        there: u64,
        /// The limit that was asked for.
        ours: u64,
    },
    /// The session ended before the lock was got.
    #[error("the session of this client has ended: it could not be renewed in time")]
    SessionLost,
    /// Someone holds it, so it is left as it is.
    #[error("in use")]
    InUse,
    /// A call failed.
    #[error(transparent)]
    Call(#[from] Error),
}

/// The value of a semaphore's key.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Holders {
    limit: u64,
    #[serde(deserialize_with = "null_as_none")]
    holders: BTreeMap<String, bool>,
}

fn null_as_none<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, bool>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// One who contends for a lock, or holds it: a session and what it is for. Dropping it does not end the session, so call
/// [`Contender::release`] in the end.
#[derive(Debug)]
pub struct Contender {
    client: Client,
    options: LockOptions,
    session: SessionId,
}

impl Client {
    /// Begins a session to get a lock or semaphore with.
    pub async fn contend(&self, options: LockOptions) -> Result<Contender, Error> {
        let is_semaphore = options.limit > 1;
        let request = SessionRequest {
            name: options.session_name.clone(),
            ttl: format_duration(SESSION_TTL),
            // What shows that a contender lives must go with it; the key of a lock is left for the next holder.
            behavior: if is_semaphore { SessionBehavior::Delete } else { SessionBehavior::Release },
            ..SessionRequest::default()
        };
        let session = self.session_create(&request, &options.datacenter).await?;
        Ok(Contender { client: self.clone(), options, session })
    }
}

impl Contender {
    /// The session.
    #[must_use]
    pub fn session(&self) -> &SessionId {
        &self.session
    }

    fn lock_key(&self) -> Key {
        Key::from(format!("{}/.lock", self.options.prefix).as_str())
    }

    fn own_key(&self) -> Key {
        Key::from(format!("{}/{}", self.options.prefix, self.session).as_str())
    }

    fn is_semaphore(&self) -> bool {
        self.options.limit > 1
    }

    fn look(&self, index: u64, consistent: bool) -> QueryOptions {
        let datacenter = self.options.datacenter.clone();
        QueryOptions { index, wait: Some(WAIT), consistent, datacenter, ..QueryOptions::default() }
    }

    fn put_options(&self, condition: Condition) -> PutOptions {
        let flags = if self.is_semaphore() { SEMAPHORE_FLAGS } else { LOCK_FLAGS };
        PutOptions { condition, flags, datacenter: self.options.datacenter.clone(), ..PutOptions::default() }
    }

    /// Waits until the lock is held. Dropping the future gives up; what it got meanwhile goes with [`Self::release`].
    pub async fn acquire(&self) -> Result<(), LockError> {
        tokio::select! {
            held = async { if self.is_semaphore() { self.acquire_place().await } else { self.acquire_lock().await } } => held,
            () = self.renew() => Err(LockError::SessionLost),
        }
    }

    /// Waits until the lock is certainly or possibly not held any more.
    pub async fn lost(&self) {
        tokio::select! {
            () = self.monitor() => {}
            () = self.renew() => {}
        }
    }

    /// Keeps the session alive; returns when it is lost.
    async fn renew(&self) {
        let mut renewed = Instant::now();
        let mut pause = SESSION_TTL / 2;
        while renewed.elapsed() < SESSION_TTL {
            sleep(pause).await;
            let asked = Instant::now();
            match self.client.session_renew(&self.session, &self.options.datacenter).await {
                Ok(Some(_)) => (renewed, pause) = (asked, SESSION_TTL / 2),
                Ok(None) => return,
                Err(_) => pause = RENEW_RETRY,
            }
        }
    }

    async fn acquire_lock(&self) -> Result<(), LockError> {
        let key = self.lock_key();
        let mut index = 0;
        loop {
            let seen = self.client.kv_get(&key, &self.look(index, false)).await?;
            if let Some(entry) = &seen.rows {
                check_lock(entry)?;
                if entry.session == self.session {
                    return Ok(());
                }
                if !entry.session.is_empty() {
                    index = seen.index;
                    continue;
                }
            }
            index = 0;
            let condition = Condition::Acquire(self.session.clone());
            if self.client.kv_put(&key, "", &self.put_options(condition)).await? {
                return Ok(());
            }
            let now = self.client.kv_get(&key, &self.look(0, false)).await?;
            if now.rows.is_none_or(|entry| entry.session.is_empty()) {
                sleep(DELAY_RETRY).await;
            }
        }
    }

    async fn acquire_place(&self) -> Result<(), LockError> {
        self.contenders(0, false).await?;
        let condition = Condition::Acquire(self.session.clone());
        if !self.client.kv_put(&self.own_key(), "", &self.put_options(condition)).await? {
            return Err(LockError::SessionLost);
        }
        let mut index = 0;
        loop {
            let (mut holders, modified, seen) = self.contenders(index, false).await?;
            if holders.holders.contains_key(self.session.as_str()) {
                return Ok(());
            }
            if holders.holders.len() as u64 >= self.options.limit {
                index = seen;
                continue;
            }
            index = 0;
            holders.holders.insert(self.session.to_string(), true);
            if self.write_holders(&holders, modified).await? {
                return Ok(());
            }
        }
    }

    /// The living holders of the semaphore, the `ModifyIndex` of their list (0 for none yet) and the index to wait on.
    async fn contenders(&self, index: u64, consistent: bool) -> Result<(Holders, u64, u64), LockError> {
        let prefix = Key::from(format!("{}/", self.options.prefix).as_str());
        let seen = self.client.kv_list(&prefix, &self.look(index, consistent)).await?;
        let lock_key = self.lock_key();
        let lock = seen.rows.iter().find(|entry| entry.key == lock_key);
        let (mut holders, modified) = match lock {
            Some(entry) => (read_holders(entry, self.options.limit)?, entry.modify_index),
            None => (Holders { limit: self.options.limit, ..Holders::default() }, 0),
        };
        let lives = |id: &str| seen.rows.iter().any(|entry| entry.session.eq_ignore_ascii_case(id));
        holders.holders.retain(|id, _| lives(id));
        Ok((holders, modified, seen.index))
    }

    async fn write_holders(&self, holders: &Holders, modified: u64) -> Result<bool, Error> {
        let value = serde_json::to_vec(holders).unwrap_or_default();
        self.client.kv_put(&self.lock_key(), value, &self.put_options(Condition::Index(modified))).await
    }

    /// Looks at the lock until it is not held.
    async fn monitor(&self) {
        let (mut index, mut failures) = (0, 0);
        loop {
            match self.is_held(index).await {
                Ok((true, seen)) => (index, failures) = (seen, 0),
                Ok((false, _)) => return,
                Err(LockError::Call(_)) if failures < self.options.monitor_retries => {
                    failures += 1;
                    index = 0;
                    sleep(self.options.monitor_pause).await;
                }
                Err(_) => return,
            }
        }
    }

    async fn is_held(&self, index: u64) -> Result<(bool, u64), LockError> {
        if self.is_semaphore() {
            let (holders, _, seen) = self.contenders(index, true).await?;
            return Ok((holders.holders.contains_key(self.session.as_str()), seen));
        }
        let seen = self.client.kv_get(&self.lock_key(), &self.look(index, true)).await?;
        Ok((seen.rows.is_some_and(|entry| entry.session == self.session), seen.index))
    }

    /// Gives up what is held and ends the session.
    pub async fn release(&self) -> Result<(), LockError> {
        let given_up = if self.is_semaphore() { self.give_up_place().await } else { self.give_up_lock().await };
        // Tried in any case: it is the session that others wait for.
        self.client.session_destroy(&self.session, &self.options.datacenter).await?;
        given_up
    }

    async fn give_up_lock(&self) -> Result<(), LockError> {
        let condition = Condition::Release(self.session.clone());
        self.client.kv_put(&self.lock_key(), "", &self.put_options(condition)).await?;
        Ok(())
    }

    async fn give_up_place(&self) -> Result<(), LockError> {
        loop {
            let (mut holders, modified, _) = self.contenders(0, false).await?;
            let was_held = holders.holders.remove(self.session.as_str()).is_some();
            if !was_held || self.write_holders(&holders, modified).await? {
                break;
            }
        }
        self.client.kv_delete(&self.own_key(), None, &self.options.datacenter).await?;
        Ok(())
    }

    /// Removes the keys that nobody uses any more.
    pub async fn clean_up(&self) -> Result<(), LockError> {
        let modified = if self.is_semaphore() {
            let (holders, modified, _) = self.contenders(0, false).await?;
            if !holders.holders.is_empty() {
                return Err(LockError::InUse);
            }
            modified
        } else {
            let seen = self.client.kv_get(&self.lock_key(), &self.look(0, false)).await?;
            let Some(entry) = seen.rows else { return Ok(()) };
            check_lock(&entry)?;
            if !entry.session.is_empty() {
                return Err(LockError::InUse);
            }
            entry.modify_index
        };
        let is_gone =
            modified == 0 || self.client.kv_delete(&self.lock_key(), Some(modified), &self.options.datacenter).await?;
        if is_gone { Ok(()) } else { Err(LockError::InUse) }
    }
}

fn check_lock(entry: &KvEntry) -> Result<(), LockError> {
    if entry.flags == LOCK_FLAGS { Ok(()) } else { Err(LockError::NotALock) }
}

fn read_holders(entry: &KvEntry, ours: u64) -> Result<Holders, LockError> {
    if entry.flags != SEMAPHORE_FLAGS {
        return Err(LockError::NotASemaphore);
    }
    let holders: Holders = serde_json::from_slice(&entry.value.0).map_err(|_| LockError::NotASemaphore)?;
    if holders.limit != ours {
        return Err(LockError::Limit { there: holders.limit, ours });
    }
    Ok(holders)
}
