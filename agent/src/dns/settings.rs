//! From the agent's configuration to the DNS interface.

use std::sync::Arc;
use std::time::Duration;

use config::Config;
use dns::{Name, ServiceTtls, Settings, Soa};

use super::{DnsServer, Freshness, Recursors};
use crate::backend::Backend;
use crate::tokens::Tokens;

/// The DNS interface as configured. Lookups carry the default one of `tokens`.
#[must_use]
pub fn server_of(config: &Config, backend: Backend, tokens: Arc<Tokens>) -> DnsServer {
    let freshness = Freshness {
        allows_stale: config.dns.allow_stale,
        stale_ms_max: u64::try_from(config.dns.max_stale.as_millis()).unwrap_or(u64::MAX),
        uses_cache: config.dns.use_cache,
        cache_age_max: Some(config.dns.cache_max_age).filter(|age| !age.is_zero()),
    };
    let recursors = Recursors::new(config.recursors.clone(), config.dns.recursor_timeout);
    DnsServer::new(backend, settings(config), freshness, recursors, tokens).on_node((*config.node_name).into())
}

impl DnsServer {
    /// The same with what the configuration says now. Zone, datacenter and addresses are those of the start.
    #[must_use]
    pub fn reconfigured(&self, config: &Config) -> Self {
        let mut next = server_of(config, self.backend.clone(), Arc::clone(&self.tokens));
        let Settings { domain, alt_domain, datacenter, .. } = self.settings.clone();
        next.settings = Settings { domain, alt_domain, datacenter, ..next.settings };
        next.memory = Arc::clone(&self.memory);
        next
    }
}

/// The settings of the answers.
#[must_use]
pub fn settings(config: &Config) -> Settings {
    let dns = &config.dns;
    let ttls = dns.service_ttl.iter().map(|(name, ttl)| (name.clone(), seconds(*ttl)));
    let soa = Soa { refresh: dns.soa.refresh, retry: dns.soa.retry, expire: dns.soa.expire, min_ttl: dns.soa.min_ttl };
    Settings {
        // The configuration was validated, so that these are names; the default serves one that is not.
        domain: Name::parse(&config.domain).map_or_else(|_| Settings::default().domain, |name| name.to_lowercase()),
        alt_domain: config.alt_domain.as_deref().and_then(|text| Name::parse(text).ok()),
        datacenter: config.datacenter.clone(),
        node_ttl: seconds(dns.node_ttl),
        service_ttls: ttls.collect::<ServiceTtls>(),
        only_passing: dns.only_passing,
        enable_truncate: dns.enable_truncate,
        disable_compression: dns.disable_compression,
        udp_answer_limit: dns.udp_answer_limit,
        a_record_limit: dns.a_record_limit,
        additional_node_meta: dns.enable_additional_node_meta_txt,
        translate_wan_addresses: false,
        has_recursors: !config.recursors.is_empty(),
        soa,
    }
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
