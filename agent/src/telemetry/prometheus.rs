//! `/v1/agent/metrics?format=prometheus`: the text format 0.0.4 of Prometheus.
//!
//! A measured series is a summary: its quantiles are of the last seconds, its sum and count of all time.

use std::fmt::Write as _;
use std::time::SystemTime;

use super::limits::INTERVAL;
use super::registry::Registry;
use super::series::{Kind, interval_of};

/// `Content-Type` of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const QUANTILES: [(f64, &str); 3] = [(0.5, "0.5"), (0.9, "0.9"), (0.99, "0.99")];

/// The text. Series that were not recorded into for the registry's retention are left out.
#[must_use]
pub fn text(registry: &Registry, now: SystemTime) -> String {
    let mut out = String::new();
    let mut last = String::new();
    let oldest = interval_of(now).saturating_sub(registry.retention().as_secs() / INTERVAL.as_secs() + 1);
    for series in registry.all_series().iter().filter(|series| series.last_interval() >= oldest) {
        let name = metric_name(&registry.naming().full(&series.name, false));
        let total = series.total();
        let labels = &series.labels;
        match series.kind {
            Kind::Counter => {
                head(&mut out, &mut last, &name, "counter");
                line(&mut out, &name, labels, None, total.sum);
            }
            Kind::Sample => {
                head(&mut out, &mut last, &name, "summary");
                let values = series.quantiles(&QUANTILES.map(|(share, _)| share), now);
                for ((_, shown), value) in QUANTILES.iter().zip(values) {
                    line(&mut out, &name, labels, Some(shown), value);
                }
                line(&mut out, &format!("{name}_sum"), labels, None, total.sum);
                line(&mut out, &format!("{name}_count"), labels, None, total.count as f64);
            }
        }
    }
    for gauge in registry.gauges() {
        // The process's own figures have names that every program shares.
        let name = match gauge.name.strip_prefix("process.") {
            Some(own) => format!("process_{own}"),
            None => metric_name(&registry.naming().full(&gauge.name, true)),
        };
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        head(&mut out, &mut last, &name, kind);
        line(&mut out, &name, &gauge.labels, None, gauge.value);
    }
    out
}

fn head(out: &mut String, last: &mut String, name: &str, kind: &str) {
    if last != name {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "# HELP {name} {name}\n# TYPE {name} {kind}");
        name.clone_into(last);
    }
}

fn line(out: &mut String, name: &str, labels: &[(&'static str, String)], quantile: Option<&str>, value: f64) {
    let mut pairs: Vec<String> =
        labels.iter().map(|(key, value)| format!("{}=\"{}\"", metric_name(key), escaped(value))).collect();
    pairs.extend(quantile.map(|quantile| format!("quantile=\"{quantile}\"")));
    let braces = if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) };
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{name}{braces} {value}");
}

/// Letters, digits, `_` and `:`; everything else becomes `_`.
fn metric_name(name: &str) -> String {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    name.chars().map(|c| if good(c) { c } else { '_' }).collect()
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::telemetry::{Gauge, Naming};

    #[test]
    fn the_text_is_as_prometheus_reads_it() {
        let registry =
            Registry::new(Naming { hostname: "vm-1".to_owned(), ..Naming::default() }, Duration::from_secs(60));
        registry.add_source(Box::new(|gauges| gauges.push(Gauge::new("autopilot.healthy", 1.0))));
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        for took in [1.0, 3.0] {
            registry.series(Kind::Sample, "http.GET.v1.kv._", &[]).unwrap().record(took, now);
        }
        registry.series(Kind::Counter, "client.rpc", &[("node", "a\"b")]).unwrap().record(1.0, now);
        let wanted = "\
# HELP consul_client_rpc consul_client_rpc
# TYPE consul_client_rpc counter
consul_client_rpc{node=\"a\\\"b\"} 1
# HELP consul_http_GET_v1_kv__ consul_http_GET_v1_kv__
# TYPE consul_http_GET_v1_kv__ summary
consul_http_GET_v1_kv__{quantile=\"0.5\"} 1
consul_http_GET_v1_kv__{quantile=\"0.9\"} 3
consul_http_GET_v1_kv__{quantile=\"0.99\"} 3
consul_http_GET_v1_kv___sum 4
consul_http_GET_v1_kv___count 2
# HELP consul_vm_1_autopilot_healthy consul_vm_1_autopilot_healthy
# TYPE consul_vm_1_autopilot_healthy gauge
consul_vm_1_autopilot_healthy 1
";
        assert_eq!(text(&registry, now), wanted);
        let later = text(&registry, now + Duration::from_secs(200));
        assert!(!later.contains("client_rpc"), "{later}");
    }
}
