//! Joining: which addresses to contact, resolved anew on every try, and the loop that tries until it works.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use config::KubernetesPods;
use hickory_resolver::TokioResolver;
use rand::Rng as _;

use crate::gossip::Pool;
use crate::kubernetes;

/// Most addresses that one join entry may resolve to; more are cut off.
const ADDRESSES_PER_ENTRY_MAX: usize = 64;

/// The first tries come quickly, since the others are often being started at the same moment.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// Why an entry cannot be joined.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The entry is not an address.
    #[error("{entry:?} is not an address: {reason}; write host, host:port, ip, ip:port or [ipv6]:port")]
    Malformed {
        /// What was written.
        entry: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A provider cannot be asked.
    #[error("{0}")]
    Provider(String),
    /// The name does not resolve.
    #[error("Failed to resolve {host}: lookup {host}: {cause}")]
    Unresolved {
        /// The host name.
        host: String,
        /// The resolver's answer.
        cause: String,
    },
}

/// Turns join entries into gossip addresses.
#[derive(Clone)]
pub struct Resolver {
    dns: Option<TokioResolver>,
    port: u16,
}

impl Resolver {
    /// A resolver that uses the system's name servers; entries without a port get `port`.
    #[must_use]
    pub fn new(port: u16) -> Self {
        let dns = TokioResolver::builder_tokio()
            .map(|mut builder| {
                // Join names point at pods that come and go: an old answer is worse than a second question.
                builder.options_mut().cache_size = 0;
                builder.build()
            })
            .and_then(|resolver| resolver)
            .map_err(
                |error| tracing::warn!(target: "agent::join", %error, "no usable resolv.conf; join needs IP addresses"),
            )
            .ok();
        Self { dns, port }
    }

    /// Resolves one entry.
    ///
    /// # Errors
    /// When the entry is malformed or its name has no address.
    pub async fn resolve(&self, entry: &str) -> Result<Vec<SocketAddr>, JoinError> {
        match KubernetesPods::parse(entry) {
            None => self.resolve_address(entry).await,
            Some(Err(cause)) => Err(JoinError::Provider(cause)),
            Some(Ok(pods)) => {
                let found = kubernetes::addresses(&pods).await.map_err(JoinError::Provider)?;
                let mut addresses = Vec::new();
                for entry in found.iter().take(ADDRESSES_PER_ENTRY_MAX) {
                    addresses.extend(self.resolve_address(entry).await?);
                }
                Ok(addresses)
            }
        }
    }

    async fn resolve_address(&self, entry: &str) -> Result<Vec<SocketAddr>, JoinError> {
        let (host, port) = split_entry(entry, self.port)?;
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        if host == "localhost" {
            return Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]);
        }
        let unresolved = |cause: String| JoinError::Unresolved { host: host.clone(), cause };
        let dns = self.dns.as_ref().ok_or_else(|| unresolved("no name servers are configured".to_owned()))?;
        let answer = dns.lookup_ip(host.as_str()).await.map_err(|error| unresolved(error.to_string()))?;
        let addresses: Vec<SocketAddr> =
            answer.iter().take(ADDRESSES_PER_ENTRY_MAX).map(|ip| SocketAddr::new(ip, port)).collect();
        if addresses.is_empty() { Err(unresolved("no such host".to_owned())) } else { Ok(addresses) }
    }
}

/// Splits `host`, `host:port`, `ip`, `[ipv6]` or `[ipv6]:port`.
fn split_entry(entry: &str, default_port: u16) -> Result<(String, u16), JoinError> {
    let malformed = |reason| JoinError::Malformed { entry: entry.to_owned(), reason };
    let text = entry.trim();
    if text.contains(char::is_whitespace) {
        return Err(malformed("it has spaces in it"));
    }
    if text.parse::<IpAddr>().is_ok() || text.is_empty() {
        return Ok((text.to_owned(), default_port));
    }
    let port_of = |digits: &str| digits.parse::<u16>().map_err(|_| malformed("the port is not a number up to 65535"));
    if let Some(rest) = text.strip_prefix('[') {
        let (ip, after) = rest.split_once(']').ok_or_else(|| malformed("the bracket is not closed"))?;
        let port = match after.strip_prefix(':') {
            Some(digits) => port_of(digits)?,
            None if after.is_empty() => default_port,
            None => return Err(malformed("after the bracket only :port may follow")),
        };
        return Ok((ip.to_owned(), port));
    }
    match text.rsplit_once(':') {
        Some((host, digits)) => Ok((host.to_owned(), port_of(digits)?)),
        None => Ok((text.to_owned(), default_port)),
    }
}

/// Contacts every address of every entry; the number contacted, and what failed by entry.
pub async fn join_once(pool: &Pool, resolver: &Resolver, entries: &[String]) -> (usize, Vec<String>) {
    let (others, own, failures) = contact(pool, resolver, entries).await;
    (others + own, failures)
}

/// The same, with the others and the own addresses counted apart.
async fn contact(pool: &Pool, resolver: &Resolver, entries: &[String]) -> (usize, usize, Vec<String>) {
    let (mut contacted, mut itself, mut failures) = (0, 0, Vec::new());
    for entry in entries {
        match resolver.resolve(entry).await {
            Ok(addresses) => {
                let own = pool.local().addr;
                let others: Vec<SocketAddr> = addresses.iter().copied().filter(|address| *address != own).collect();
                // Our own address is a contact too: joining oneself is what a first server does.
                itself += addresses.len() - others.len();
                let (joined, errors) = pool.join(&others).await;
                contacted += joined;
                failures.extend(errors.into_iter().map(|(ip, cause)| format!("Failed to join {}: {cause}", ip.ip())));
            }
            Err(error) => failures.push(error.to_string()),
        }
    }
    (contacted, itself, failures)
}

/// Settings of the join loop.
#[derive(Clone, Debug)]
pub struct RetryJoin {
    /// Entries to contact, resolved anew each time.
    pub entries: Vec<String>,
    /// Longest wait between tries.
    pub interval: Duration,
    /// Give up after this many tries; 0 tries for ever.
    pub tries_max: u32,
    /// When only this agent itself answers at the entries, any other member will do. While an entry cannot be reached that
    /// is not enough: two that found each other and one that both were told to join would stay apart for ever.
    pub any_member: bool,
}

/// The join loop gave up.
#[derive(Debug, thiserror::Error)]
#[error("agent: max join retry exhausted, exiting: {0}")]
pub struct JoinExhausted(String);

/// Tries until somebody other than ourselves was contacted. The wait doubles from a tenth of a second up to the interval,
/// with jitter, and every try resolves the names again.
///
/// # Errors
/// When `tries_max` tries have failed.
pub async fn retry_join(pool: &Pool, resolver: &Resolver, settings: &RetryJoin) -> Result<(), JoinExhausted> {
    let mut wait = FIRST_WAIT.min(settings.interval);
    let mut tries = 0;
    loop {
        tries += 1;
        let (contacted, _, failures) = contact(pool, resolver, &settings.entries).await;
        let is_alone_there = failures.is_empty() && settings.any_member;
        if contacted > 0 || (is_alone_there && pool.members().len() > 1) {
            tracing::info!(target: "agent::join", tries, "Join completed");
            return Ok(());
        }
        let shown = if failures.is_empty() { "only this agent answers there".to_owned() } else { failures.join("; ") };
        if settings.tries_max > 0 && tries >= settings.tries_max {
            return Err(JoinExhausted(shown));
        }
        tracing::warn!(target: "agent::join", tries, retry_in_ms = wait.as_millis() as u64, error = shown, "Join failed, will retry");
        let jitter = rand::rng().random_range(0.8..1.2);
        tokio::time::sleep(wait.mul_f64(jitter)).await;
        wait = (wait * 2).min(settings.interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_every_shape_are_split() {
        let split = |entry| split_entry(entry, 8301).map_err(|error| error.to_string());
        assert_eq!(split("10.0.0.1"), Ok(("10.0.0.1".to_owned(), 8301)));
        assert_eq!(split("10.0.0.1:99"), Ok(("10.0.0.1".to_owned(), 99)));
        assert_eq!(split("::1"), Ok(("::1".to_owned(), 8301)));
        assert_eq!(split("[::1]:5"), Ok(("::1".to_owned(), 5)));
        assert_eq!(split("consul-server.default.svc"), Ok(("consul-server.default.svc".to_owned(), 8301)));
        assert!(split("host:70000").is_err());
        assert!(split("[::1").is_err());
    }
}
