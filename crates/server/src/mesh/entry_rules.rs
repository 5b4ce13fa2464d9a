//! What a config entry must be by itself. Every problem is told in Consul's words; the first one counts.

use std::collections::BTreeSet;

use model::{ConfigEntry, EntryKind, IngressFields, Json, TerminatingFields, WILDCARD, parse_nanos};

use super::graph::text;

/// Longest name of a subset, bytes.
const SUBSET_NAME_MAX: usize = 63;
/// Longest label of a host name, bytes.
const LABEL_MAX: usize = 63;

/// The entry with its defaults filled in.
pub(super) fn checked(given: &ConfigEntry) -> Result<ConfigEntry, String> {
    let mut entry = given.clone();
    fill_in(&mut entry);
    if entry.name.is_empty() {
        return Err("serviceName is required".to_owned());
    }
    match entry.kind {
        EntryKind::ServiceDefaults => {}
        // There is one entry of this kind, whatever it is called.
        EntryKind::ProxyDefaults => "global".clone_into(&mut entry.name),
        EntryKind::ServiceResolver => check_resolver(&entry)?,
        EntryKind::ServiceSplitter => check_splitter(&entry)?,
        EntryKind::ServiceRouter => check_router(&entry)?,
        EntryKind::IngressGateway => check_ingress(&entry)?,
        EntryKind::TerminatingGateway => check_terminating(&entry)?,
    }
    Ok(entry)
}

fn fill_in(entry: &mut ConfigEntry) {
    match entry.kind {
        EntryKind::ProxyDefaults if entry.name.is_empty() => "global".clone_into(&mut entry.name),
        EntryKind::IngressGateway => {
            for listener in list_mut(entry, "Listeners") {
                if text(listener, "Protocol").is_empty() {
                    listener["Protocol"] = "tcp".into();
                }
            }
        }
        EntryKind::ServiceRouter => {
            for route in list_mut(entry, "Routes") {
                let Some(Json::Object(destination)) = route.get_mut("Destination") else { continue };
                // Consul names the namespace of destinations that are whole services only.
                let is_whole = destination.contains_key("Service") && !destination.contains_key("ServiceSubset");
                if is_whole && !destination.contains_key("Namespace") {
                    let mut filled = serde_json::Map::new();
                    for (field, value) in std::mem::take(destination) {
                        let is_before = matches!(field.as_str(), "RequestTimeout" | "Service" | "ServiceSubset");
                        if !is_before && !filled.contains_key("Namespace") {
                            filled.insert("Namespace".to_owned(), model::DEFAULT_NAMESPACE.into());
                        }
                        filled.insert(field, value);
                    }
                    filled.entry("Namespace").or_insert_with(|| model::DEFAULT_NAMESPACE.into());
                    *destination = filled;
                }
            }
        }
        _ => {}
    }
}

fn list_mut<'e>(entry: &'e mut ConfigEntry, field: &str) -> impl Iterator<Item = &'e mut Json> {
    entry.fields.get_mut(field).and_then(Json::as_array_mut).into_iter().flatten()
}

fn list<'e>(object: &'e Json, field: &str) -> &'e [Json] {
    object.get(field).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn check_resolver(entry: &ConfigEntry) -> Result<(), String> {
    let fields = &entry.fields;
    let objects = |field: &str| fields.get(field).and_then(Json::as_object).into_iter().flatten();
    let subsets: BTreeSet<&str> = objects("Subsets").map(|(name, _)| name.as_str()).collect();
    for name in &subsets {
        if name.is_empty() {
            return Err("Subset defined with empty name".to_owned());
        }
        if !is_subset_name(name) {
            return Err(format!(
                "Subset \"{name}\" is invalid: must be 63 characters or fewer, begin or end with lower case \
                 alphanumeric characters, and contain lower case alphanumeric characters or '-' in between"
            ));
        }
    }
    let is_subset = |name: &str| name.is_empty() || subsets.contains(name);
    let default = entry.text("DefaultSubset");
    if !is_subset(default) {
        return Err(format!("DefaultSubset \"{default}\" is not a valid subset"));
    }
    let failover: Vec<_> = objects("Failover").collect();
    if let Some(redirect) = fields.get("Redirect") {
        check_redirect(redirect, !failover.is_empty())?;
    }
    for (subset, target) in failover {
        if subset != WILDCARD && !is_subset(subset) {
            return Err(format!("Bad Failover[\"{subset}\"]: not a valid subset"));
        }
        if target.as_object().is_none_or(serde_json::Map::is_empty) {
            return Err(format!(
                "Bad Failover[\"{subset}\"] one of Service, ServiceSubset, Namespace, or Datacenters is required"
            ));
        }
        let (service, wanted) = (text(target, "Service"), text(target, "ServiceSubset"));
        if (service.is_empty() || service == entry.name) && !is_subset(wanted) {
            return Err(format!(
                "Bad Failover[\"{subset}\"].ServiceSubset \"{wanted}\" is not a valid subset of \"{service}\""
            ));
        }
        if list(target, "Datacenters").iter().any(|datacenter| datacenter == "") {
            return Err(format!("Bad Failover[\"{subset}\"].Datacenters: found empty datacenter"));
        }
    }
    let timeout = entry.text("ConnectTimeout");
    if !timeout.is_empty() && parse_nanos(timeout).is_ok_and(|nanos| nanos < 0) {
        return Err(format!("Bad ConnectTimeout '{timeout}', must be >= 0"));
    }
    Ok(())
}

fn check_redirect(redirect: &Json, has_failover: bool) -> Result<(), String> {
    if has_failover {
        return Err("Redirect and Failover cannot both be set".to_owned());
    }
    if redirect.as_object().is_none_or(serde_json::Map::is_empty) {
        return Err("Redirect is empty".to_owned());
    }
    if text(redirect, "Service").is_empty() {
        for field in ["ServiceSubset", "Namespace"] {
            if !text(redirect, field).is_empty() {
                return Err(format!("Redirect.{field} defined without Redirect.Service"));
            }
        }
    }
    Ok(())
}

fn is_subset_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    name.len() <= SUBSET_NAME_MAX
        && ends.iter().all(|byte| byte.is_some_and(|byte| is_plain(*byte)))
        && bytes.iter().all(|byte| is_plain(*byte) || *byte == b'-')
}

fn check_splitter(entry: &ConfigEntry) -> Result<(), String> {
    let splits = entry.fields.get("Splits").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    if splits.is_empty() {
        return Err("no splits configured".to_owned());
    }
    let mut seen = BTreeSet::new();
    let mut sum = 0.0;
    for split in splits {
        let service = text(split, "Service");
        let service = if service.is_empty() { entry.name.as_str() } else { service };
        let (subset, namespace) = (text(split, "ServiceSubset"), text(split, "Namespace"));
        if !seen.insert((service, subset, namespace)) {
            return Err(format!(
                "split destination occurs more than once: service=\"{service}\", subset=\"{subset}\", \
                 namespace=\"{namespace}\""
            ));
        }
        // Hundredths, so that sums are exact.
        sum += (split.get("Weight").and_then(Json::as_f64).unwrap_or(0.0) * 100.0).round();
    }
    if (sum - 10_000.0).abs() > f64::EPSILON {
        return Err(format!("the sum of all split weights must be 100, not {:.6}", sum / 100.0));
    }
    Ok(())
}

fn check_router(entry: &ConfigEntry) -> Result<(), String> {
    let routes = entry.fields.get("Routes").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    for (at, route) in routes.iter().enumerate() {
        let http = route.get("Match").and_then(|found| found.get("HTTP"));
        let mut eligible_for_rewrite = false;
        if let Some(http) = http {
            check_http_match(at, http)?;
            eligible_for_rewrite = !text(http, "PathExact").is_empty() || !text(http, "PathPrefix").is_empty();
        }
        let destination = route.get("Destination").unwrap_or(&Json::Null);
        if !text(destination, "PrefixRewrite").is_empty() && !eligible_for_rewrite {
            return Err(format!(
                "Route[{at}] cannot make use of PrefixRewrite without configuring either PathExact or PathPrefix"
            ));
        }
    }
    Ok(())
}

fn check_http_match(at: usize, http: &Json) -> Result<(), String> {
    let paths = ["PathExact", "PathPrefix", "PathRegex"];
    if paths.iter().filter(|field| !text(http, field).is_empty()).count() > 1 {
        return Err(format!("Route[{at}] should only contain at most one of PathExact, PathPrefix, or PathRegex"));
    }
    for field in ["PathExact", "PathPrefix"] {
        let path = text(http, field);
        if !path.is_empty() && !path.starts_with('/') {
            return Err(format!("Route[{at}] {field} doesn't start with '/': \"{path}\""));
        }
    }
    let ways = |rule: &Json, fields: &[&str]| {
        let present = usize::from(rule.get("Present").and_then(Json::as_bool).unwrap_or(false));
        present + fields.iter().filter(|field| !text(rule, field).is_empty()).count()
    };
    for (number, header) in list(http, "Header").iter().enumerate() {
        if text(header, "Name").is_empty() {
            return Err(format!("Route[{at}] Header[{number}] missing required Name field"));
        }
        if ways(header, &["Exact", "Prefix", "Suffix", "Regex"]) != 1 {
            return Err(format!(
                "Route[{at}] Header[{number}] should only contain one of Present, Exact, Prefix, Suffix, or Regex"
            ));
        }
    }
    for (number, parameter) in list(http, "QueryParam").iter().enumerate() {
        if text(parameter, "Name").is_empty() {
            return Err(format!("Route[{at}] QueryParam[{number}] missing required Name field"));
        }
        if ways(parameter, &["Exact", "Regex"]) != 1 {
            return Err(format!(
                "Route[{at}] QueryParam[{number}] should only contain one of Present, Exact, or Regex"
            ));
        }
    }
    let mut methods = BTreeSet::new();
    match list(http, "Methods").iter().filter_map(Json::as_str).find(|method| !methods.insert(*method)) {
        Some(method) => Err(format!("Route[{at}] Methods contains \"{method}\" more than once")),
        None => Ok(()),
    }
}

fn check_ingress(entry: &ConfigEntry) -> Result<(), String> {
    let has_tls = entry.fields.get("TLS").and_then(|tls| tls.get("Enabled")) == Some(&Json::Bool(true));
    let mut ports = BTreeSet::new();
    for listener in entry.read::<IngressFields>().listeners {
        let (port, protocol) = (listener.port, listener.protocol.as_str());
        if !ports.insert(port) {
            return Err(format!("port {port} declared on two listeners"));
        }
        let is_http = match protocol {
            "http" | "http2" | "grpc" => true,
            "tcp" => false,
            other => {
                return Err(format!(
                    "protocol must be 'tcp', 'http', 'http2', or 'grpc'. '{other}' is an unsupported protocol"
                ));
            }
        };
        if listener.services.is_empty() {
            return Err(format!("No service declared for listener with port {port}"));
        }
        if !is_http && listener.services.len() > 1 {
            return Err(format!(
                "Multiple services per listener are only supported for protocol = 'http' (listener on port {port})"
            ));
        }
        let mut hosts = BTreeSet::new();
        for service in &listener.services {
            check_ingress_service(service, port, protocol, is_http)?;
            for host in &service.hosts {
                if !hosts.insert(host) {
                    return Err(format!("Hosts must be unique within a specific listener (listener on port {port})"));
                }
                check_host(host, has_tls)?;
            }
        }
    }
    Ok(())
}

fn check_ingress_service(
    service: &model::IngressService,
    port: i64,
    protocol: &str,
    is_http: bool,
) -> Result<(), String> {
    let (is_wild, has_hosts) = (service.name == WILDCARD, !service.hosts.is_empty());
    if service.name.is_empty() {
        return Err(format!("Service name cannot be blank (listener on port {port})"));
    }
    if !is_http && is_wild {
        return Err(format!("Wildcard service name is only valid for protocol = 'http' (listener on port {port})"));
    }
    if !is_http && has_hosts {
        return Err(format!(
            "Associating hosts to a service is not supported for the {protocol} protocol (listener on port {port})"
        ));
    }
    if is_wild && has_hosts {
        return Err(format!("Associating hosts to a wildcard service is not supported (listener on port {port})"));
    }
    Ok(())
}

fn check_host(host: &str, has_tls: bool) -> Result<(), String> {
    if host == WILDCARD {
        return if has_tls {
            Err("Host '*' is not allowed when TLS is enabled, all hosts must be valid DNS records to add as a DNSSAN"
                .to_owned())
        } else {
            Ok(())
        };
    }
    let bare = host.strip_prefix("*.").unwrap_or(host);
    if bare.contains('*') {
        return Err(format!(
            "Host \"{host}\" is not valid, a wildcard specifier is only allowed as the leftmost label"
        ));
    }
    let bare = bare.split_once(':').map_or(bare, |(name, _)| name);
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= LABEL_MAX
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if bare.split('.').all(is_label) { Ok(()) } else { Err(format!("Host \"{host}\" must be a valid DNS hostname")) }
}

fn check_terminating(entry: &ConfigEntry) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for service in entry.read::<TerminatingFields>().services {
        let name = &service.name;
        if name.is_empty() {
            return Err("Service name cannot be blank.".to_owned());
        }
        // Either everything for TLS to the service, or an authority alone, or nothing.
        let (ca, cert, key) = (&service.ca_file, &service.cert_file, &service.key_file);
        if (!cert.is_empty() || !key.is_empty()) && (ca.is_empty() || cert.is_empty() || key.is_empty()) {
            return Err(format!(
                "Service \"{name}\" must have a CertFile, CAFile, and KeyFile specified for TLS origination"
            ));
        }
        if !seen.insert(service.name.clone()) {
            return Err(format!("Service \"{name}\" was specified more than once within a namespace"));
        }
    }
    Ok(())
}
