//! Typed reading of merged values. A wrong value is noted as a problem and read as something harmless.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use model::{TextMap, parse_nanos};
use serde_json::Value;

use crate::host::Host;
use crate::load::Values;
use crate::problem::Problem;

/// Port of DNS servers that are given without one.
const DNS_PORT: u16 = 53;

pub(crate) struct Reader<'a> {
    values: &'a Values,
    host: &'a Host,
    problems: Vec<Problem>,
    refused: BTreeSet<&'static str>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(values: &'a Values, host: &'a Host) -> Self {
        Self { values, host, problems: Vec::new(), refused: BTreeSet::new() }
    }

    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Notes a problem of a key, with the place where its value was written.
    pub(crate) fn refuse(&mut self, key: &'static str, text: &str) {
        let origin = self.values.get(key).map(|(_, origin)| origin.clone()).unwrap_or_default();
        self.refused.insert(key);
        self.problems.push(Problem { origin, text: text.to_owned(), in_parsing: false });
    }

    pub(crate) fn has_refused(&self, key: &str) -> bool {
        self.refused.contains(key)
    }

    pub(crate) fn is_set(&self, key: &str) -> bool {
        self.value(key).is_some_and(|value| !value.is_null())
    }

    fn value(&self, key: &str) -> Option<&'a Value> {
        let found = self.values.get(key).map(|(value, _)| value);
        debug_assert!(found.is_some(), "no such key in the schema: {key}");
        found
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        self.some_flag(key).unwrap_or_default()
    }

    pub(crate) fn some_flag(&self, key: &str) -> Option<bool> {
        self.value(key).and_then(Value::as_bool)
    }

    pub(crate) fn int(&self, key: &str) -> i64 {
        self.value(key).and_then(Value::as_i64).unwrap_or_default()
    }

    pub(crate) fn float(&self, key: &str) -> f64 {
        self.value(key).and_then(Value::as_f64).unwrap_or_default()
    }

    /// A whole number of at least `least`, with Consul's words where it is below.
    pub(crate) fn count(&mut self, key: &'static str, least: u32) -> u64 {
        let number = self.int(key);
        if number < i64::from(least) || number > i64::from(u32::MAX) {
            let text = match (least, number < 0) {
                (0, true) => format!("{key} cannot be {number}. Must be greater than or equal to zero"),
                _ => format!("{key} cannot be {number}. Must be between {least} and {}", u32::MAX),
            };
            self.refuse(key, &text);
        }
        u64::try_from(number).unwrap_or(u64::from(least))
    }

    /// A whole number of 0 to 100.
    pub(crate) fn percent(&mut self, key: &'static str) -> u8 {
        let number = self.int(key);
        let percent = u8::try_from(number).ok().filter(|percent| *percent <= 100);
        percent.unwrap_or_else(|| {
            self.refuse(
                key,
                &format!("{key} cannot be {number}. Must be between 1 and 100 percent, or 0 to turn it off"),
            );
            0
        })
    }

    pub(crate) fn at_least_zero(&mut self, key: &'static str) -> u32 {
        u32::try_from(self.count(key, 0)).unwrap_or_default()
    }

    pub(crate) fn size(&mut self, key: &'static str, least: u32) -> usize {
        usize::try_from(self.count(key, least)).unwrap_or_default()
    }

    /// A port; `None` where it is off.
    pub(crate) fn port(&mut self, key: &'static str) -> Option<u16> {
        let number = self.int(key);
        if number < 0 {
            return None;
        }
        let port = u16::try_from(number).ok();
        if port.is_none() {
            self.refuse(key, &format!("{key}: invalid port: {number}"));
        }
        port
    }

    pub(crate) fn text(&self, key: &str) -> String {
        self.value(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    pub(crate) fn some_text(&self, key: &str) -> Option<String> {
        Some(self.text(key)).filter(|text| !text.is_empty())
    }

    pub(crate) fn any(&self, key: &str) -> Value {
        self.value(key).cloned().unwrap_or_default()
    }

    pub(crate) fn list(&self, key: &str) -> Vec<Value> {
        self.value(key).and_then(Value::as_array).cloned().unwrap_or_default()
    }

    /// The values of a key that may be one or a list.
    pub(crate) fn list_of_any(&self, key: &str) -> Vec<Value> {
        match self.value(key) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(values)) => values.clone(),
            Some(other) => vec![other.clone()],
        }
    }

    pub(crate) fn text_list(&self, key: &str) -> Vec<String> {
        self.list(key).iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    pub(crate) fn text_map(&self, key: &str) -> TextMap {
        let map = self.value(key).and_then(Value::as_object);
        let pairs = map.into_iter().flatten();
        pairs.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
    }

    pub(crate) fn duration(&mut self, key: &'static str) -> Duration {
        let text = self.text(key);
        self.parsed_duration(key, key, &text)
    }

    pub(crate) fn positive_duration(&mut self, key: &'static str) -> Duration {
        let duration = self.duration(key);
        if duration.is_zero() && !self.has_refused(key) {
            self.refuse(key, &format!("{key} must be longer than zero"));
        }
        duration
    }

    pub(crate) fn duration_map(&mut self, key: &'static str) -> BTreeMap<String, Duration> {
        let texts = self.text_map(key);
        texts
            .into_iter()
            .map(|(name, text)| {
                let duration = self.parsed_duration(key, &format!("{key}[{name:?}]"), &text);
                (name, duration)
            })
            .collect()
    }

    fn parsed_duration(&mut self, key: &'static str, shown: &str, text: &str) -> Duration {
        if text.is_empty() {
            return Duration::ZERO;
        }
        match parse_nanos(text).map(u64::try_from) {
            Ok(Ok(nanos)) => return Duration::from_nanos(nanos),
            Ok(Err(_)) => self.refuse(key, &format!("{shown} cannot be {text:?}. Must not be negative")),
            Err(error) => self.refuse(key, &format!("{shown}: invalid duration: {text:?}: {error}")),
        }
        Duration::ZERO
    }

    /// Addresses separated by spaces, after templates were replaced.
    pub(crate) fn ips(&mut self, key: &'static str) -> Vec<IpAddr> {
        let (ips, sockets) = self.ips_and_sockets(key);
        for path in sockets {
            let text = format!("{key}: a unix socket serves HTTP alone: use addresses.http, not {:?}", path.display());
            self.refuse(key, &text);
        }
        ips
    }

    /// Addresses, and the paths of unix sockets (`unix:///path`) among them.
    pub(crate) fn ips_and_sockets(&mut self, key: &'static str) -> (Vec<IpAddr>, Vec<PathBuf>) {
        let text = self.text(key);
        let expanded = match self.host.expand(&text) {
            Ok(expanded) => expanded,
            Err(error) => {
                self.refuse(key, &format!("{key}: {error}"));
                return (Vec::new(), Vec::new());
            }
        };
        let (mut ips, mut sockets) = (Vec::new(), Vec::new());
        for word in expanded.split_whitespace() {
            let bare = word.strip_prefix('[').and_then(|word| word.strip_suffix(']')).unwrap_or(word);
            let path = word.strip_prefix("unix://").unwrap_or(word);
            if path.starts_with('/') {
                sockets.push(PathBuf::from(path));
            } else if let Ok(ip) = bare.parse::<IpAddr>() {
                ips.push(ip);
            } else {
                self.refuse(key, &format!("{key}: invalid ip address: {word}"));
            }
        }
        (ips, sockets)
    }

    /// One address, or none where nothing is set.
    pub(crate) fn one_ip(&mut self, key: &'static str) -> Option<IpAddr> {
        let ips = self.ips(key);
        if ips.len() > 1 {
            self.refuse(key, &format!("{key} cannot contain multiple addresses"));
        }
        ips.first().copied()
    }

    /// A list whose entries may be templates for one or several addresses.
    pub(crate) fn expanded_list(&mut self, key: &'static str) -> Vec<String> {
        let mut expanded = Vec::new();
        for text in self.text_list(key) {
            match self.host.expand(&text) {
                Ok(_) if !text.contains("{{") => expanded.push(text),
                Ok(done) => expanded.extend(done.split_whitespace().map(str::to_owned)),
                Err(error) => self.refuse(key, &format!("{key}: {error}")),
            }
        }
        expanded
    }

    pub(crate) fn recursors(&mut self, key: &'static str) -> Vec<SocketAddr> {
        let mut found = Vec::new();
        for text in self.expanded_list(key) {
            let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(&text);
            match (text.parse::<SocketAddr>(), bare.parse::<IpAddr>()) {
                (Ok(address), _) => found.push(address),
                (_, Ok(ip)) => found.push(SocketAddr::new(ip, DNS_PORT)),
                _ => self.refuse(key, &format!("{key}: invalid ip address: {text}")),
            }
        }
        found
    }
}
