//! What `consul snapshot agent` is told: flags first, then its configuration file, then the variables that programs for
//! S3 share. The file has the shape that users of Consul's own snapshot agent know; what it has no place for is named.

use std::path::PathBuf;
use std::time::Duration;

use model::{Json, parse_duration};
use serde::Deserialize;

use super::s3::{Bucket, BucketSettings};
use super::signature::Credentials;
use super::store::Store;
use crate::cli::flags::{Flag, Parsed, Takes};

const INTERVAL_DEFAULT: Duration = Duration::from_secs(3600);
const RETAIN_DEFAULT: u64 = 30;
const LOCK_DEFAULT: &str = "consul-snapshot/lock";
const PREFIX_DEFAULT: &str = "consul-snapshot";
const REGION_DEFAULT: &str = "us-east-1";

/// The flags.
pub const FLAGS: &[Flag] = &[
    Flag::new("aws-access-key-id", Takes::Text("string"), "Access key for S3, also AWS_ACCESS_KEY_ID."),
    Flag::new("aws-s3-bucket", Takes::Text("string"), "Bucket to keep snapshots in."),
    Flag::new("aws-s3-endpoint", Takes::Text("url"), "Address of a store that speaks S3; Amazon's by default."),
    Flag::new("aws-s3-key-prefix", Takes::Text("string"), "What names begin with; consul-snapshot by default."),
    Flag::new("aws-s3-region", Takes::Text("string"), "Region, also AWS_REGION; us-east-1 by default."),
    Flag::new("aws-s3-server-side-encryption", Takes::Bool, "Ask the store to encrypt what it keeps."),
    Flag::new(
        "aws-s3-style",
        Takes::Text("path|host"),
        "Name the bucket in the path or in the host; path with an endpoint, else host.",
    ),
    Flag::new("aws-secret-access-key", Takes::Text("string"), "Secret of the access key, also AWS_SECRET_ACCESS_KEY."),
    Flag::new("config-file", Takes::Text("path"), "File with these settings, JSON or HCL."),
    Flag::new("interval", Takes::Text("1h"), "Time between snapshots; 0 saves one and ends."),
    Flag::new("local-path", Takes::Text("path"), "Directory to keep snapshots in."),
    Flag::new("local-scratch-path", Takes::Text("path"), "Directory for a snapshot on its way to a bucket."),
    Flag::new("lock-key", Takes::Text("string"), "Prefix of the lock; consul-snapshot/lock by default."),
    Flag::new("retain", Takes::Uint, "Snapshots kept; 30 by default, 0 keeps all."),
];

/// What is to be done.
pub struct Plan {
    /// Where snapshots are kept.
    pub store: Store,
    /// Time between two; zero for one only.
    pub interval: Duration,
    /// How many are kept, 0 for all.
    pub retain: usize,
    /// Prefix of the lock.
    pub lock: String,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    snapshot_agent: FileAgent,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FileAgent {
    snapshot: FileSnapshot,
    local_storage: FileFolder,
    aws_storage: FileBucket,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FileSnapshot {
    interval: Option<String>,
    retain: Option<u64>,
    lock_key: Option<String>,
    local_scratch_path: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FileFolder {
    path: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FileBucket {
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    s3_bucket: Option<String>,
    s3_endpoint: Option<String>,
    s3_key_prefix: Option<String>,
    s3_region: Option<String>,
    s3_server_side_encryption: bool,
    s3_style: Option<String>,
}

fn read_file(path: &str) -> Result<FileAgent, String> {
    let failed = |error: &dyn std::fmt::Display| format!("Cannot use {path}: {error}");
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    let root = config::parse_document(&text).map_err(|error| failed(&error))?;
    let file: File = serde_json::from_value(unblocked(root)).map_err(|error| failed(&error))?;
    Ok(file.snapshot_agent)
}

/// Blocks of HCL are lists of one object each; the settings here have none of several.
fn unblocked(value: Json) -> Json {
    match value {
        Json::Array(mut items) if items.len() == 1 && items[0].is_object() => unblocked(items.remove(0)),
        Json::Object(fields) => fields.into_iter().map(|(name, value)| (name, unblocked(value))).collect(),
        other => other,
    }
}

/// Reads it all; `variable` gives what the environment says.
pub fn plan(parsed: &Parsed, variable: impl Fn(&str) -> Option<String>) -> Result<Plan, String> {
    let file = parsed.text("config-file").map(read_file).transpose()?.unwrap_or_default();
    let FileAgent { snapshot, local_storage, aws_storage } = file;
    let text = |flag: &str, file: Option<String>| parsed.text(flag).map(str::to_owned).or(file);
    let interval = match text("interval", snapshot.interval).as_deref() {
        None => INTERVAL_DEFAULT,
        Some("0") => Duration::ZERO,
        Some(text) => parse_duration(text).map_err(|error| format!("Invalid -interval: {error}"))?,
    };
    let scratch = text("local-scratch-path", snapshot.local_scratch_path);
    let scratch = scratch.map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = text("local-path", local_storage.path);
    let bucket = bucket(parsed, aws_storage, variable)?;
    let store = match (folder, bucket) {
        (Some(folder), None) => Store::Folder(PathBuf::from(folder)),
        (None, Some(settings)) => Store::Bucket(Box::new(Bucket::new(settings)?), scratch),
        (None, None) => return Err("Give -local-path or -aws-s3-bucket: where are snapshots to be kept?".to_owned()),
        (Some(_), Some(_)) => return Err("Give -local-path or -aws-s3-bucket, not both; run two agents".to_owned()),
    };
    let retain = parsed.uint("retain").or(snapshot.retain).unwrap_or(RETAIN_DEFAULT);
    let lock = text("lock-key", snapshot.lock_key).unwrap_or_else(|| LOCK_DEFAULT.to_owned());
    let lock = lock.trim_matches('/').to_owned();
    Ok(Plan { store, interval, retain: usize::try_from(retain).unwrap_or(usize::MAX), lock })
}

fn bucket(
    parsed: &Parsed,
    file: FileBucket,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<BucketSettings>, String> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let text = |flag: &str, file: Option<String>| parsed.text(flag).map(str::to_owned).or(file);
    let Some(bucket) = text("aws-s3-bucket", file.s3_bucket) else { return Ok(None) };
    let needed = |what: &str, flag: &str, name: &str, file: Option<String>| {
        let found = text(flag, file).or_else(|| set(name));
        found.ok_or_else(|| format!("There is no {what} for the bucket: give -{flag} or set {name}"))
    };
    let endpoint = text("aws-s3-endpoint", file.s3_endpoint).unwrap_or_default();
    let host_style = match text("aws-s3-style", file.s3_style).as_deref() {
        Some("path") => false,
        Some("host") => true,
        None => endpoint.is_empty(),
        Some(other) => return Err(format!("Invalid -aws-s3-style {other:?}: use path or host")),
    };
    let region = text("aws-s3-region", file.s3_region);
    let region = region.or_else(|| set("AWS_REGION")).or_else(|| set("AWS_DEFAULT_REGION"));
    let prefix = text("aws-s3-key-prefix", file.s3_key_prefix).unwrap_or_else(|| PREFIX_DEFAULT.to_owned());
    let prefix = prefix.trim_matches('/');
    Ok(Some(BucketSettings {
        endpoint,
        region: region.unwrap_or_else(|| REGION_DEFAULT.to_owned()),
        bucket,
        prefix: if prefix.is_empty() { String::new() } else { format!("{prefix}/") },
        host_style,
        encrypt: parsed.is_set("aws-s3-server-side-encryption") || file.s3_server_side_encryption,
        credentials: Credentials {
            access_key: needed("access key", "aws-access-key-id", "AWS_ACCESS_KEY_ID", file.access_key_id)?,
            secret_key: needed("secret", "aws-secret-access-key", "AWS_SECRET_ACCESS_KEY", file.secret_access_key)?,
            session_token: set("AWS_SESSION_TOKEN").unwrap_or_default(),
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(flags: &[(&'static str, &str)], variables: &[(&str, &str)]) -> Result<Plan, String> {
        let flags = flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let found = |name: &str| variables.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned());
        plan(&Parsed { flags, args: Vec::new() }, found)
    }

    fn refusal(flags: &[(&'static str, &str)]) -> String {
        planned(flags, &[]).err().expect("it is refused")
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        assert!(refusal(&[]).contains("-local-path"));
        assert!(refusal(&[("interval", "x"), ("local-path", "/x")]).contains("-interval"));
        assert!(refusal(&[("aws-s3-bucket", "b")]).contains("AWS_ACCESS_KEY_ID"));
        assert!(refusal(&[("aws-s3-bucket", "b"), ("aws-access-key-id", "a")]).contains("AWS_SECRET_ACCESS_KEY"));
        let both = [("aws-s3-bucket", "b"), ("aws-access-key-id", "a"), ("aws-secret-access-key", "s")];
        assert!(refusal(&[&both[..], &[("local-path", "/x")]].concat()).contains("not both"));
        assert!(refusal(&[&both[..], &[("aws-s3-style", "x")]].concat()).contains("path or host"));
        assert!(refusal(&[("config-file", "/none.json")]).contains("/none.json"));
    }

    #[test]
    fn flags_come_before_the_file_and_that_before_the_environment() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("agent.hcl");
        let text = "snapshot_agent { snapshot { interval = \"10m\" retain = 5 }\n\
                    aws_storage { s3_bucket = \"b\" s3_region = \"r1\" access_key_id = \"file\" } }";
        std::fs::write(&path, text).expect("it is written");
        let path = path.display().to_string();
        let variables =
            [("AWS_ACCESS_KEY_ID", "env"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_SESSION_TOKEN", "token")];
        let plan = planned(&[("config-file", &path), ("retain", "7")], &variables).expect("a plan");
        assert_eq!((plan.interval, plan.retain, &*plan.lock), (Duration::from_secs(600), 7, LOCK_DEFAULT));
        let Store::Bucket(bucket, _) = plan.store else { panic!("it is a bucket") };
        assert_eq!(bucket.shown(), "s3://b/consul-snapshot/");
        std::fs::write(folder.path().join("bad.json"), r#"{"snapshot_agent": {"azure_storage": {}}}"#)
            .expect("written");
        let bad = folder.path().join("bad.json").display().to_string();
        assert!(refusal(&[("config-file", &bad)]).contains("azure_storage"));
    }
}
