//! Configuration files as people write them, and what the agent makes of each: `DebugConfig` of `/v1/agent/self` key by
//! key beside the real Consul's, which is recorded in `tests/configurations/NAME.self.json` (`UPDATE=1` with
//! `CONCORD_ORACLE` records). What differs is named with its reason in `different.txt`.
//!
//! In the files, `ADDRESS` stands for a free loopback address and `DIR` for a folder with `ca.pem`, `cert.pem`, `key.pem`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tests::{LoopbackAddress, Program, eventually, http};

/// Longest that a start may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Ports that the files give to HTTP.
const HTTP_PORTS: &[u16] = &[8500, 18541];
/// What the files with access control let read the agent.
const TOKEN: &str = "6d1b9c5e-0000-4000-8000-000000000001";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("configurations")
}

/// The files, by name.
fn files() -> Vec<PathBuf> {
    let all = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let is_input = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.ends_with(".hcl") || (name.ends_with(".json") && !name.ends_with(".self.json"))
    };
    let only = std::env::var("CONFIGURATION").unwrap_or_default();
    let mut files: Vec<PathBuf> = all.filter(is_input).filter(|path| path.to_string_lossy().contains(&only)).collect();
    files.sort();
    files
}

/// A running agent; killed when dropped.
struct Running {
    child: Child,
    address: LoopbackAddress,
    folder: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(program: &Program, file: &Path) -> Self {
        let (address, folder) = (LoopbackAddress::free(), tempfile::tempdir().unwrap());
        write_certificates(folder.path());
        let directory = folder.path().display().to_string();
        let text =
            fs::read_to_string(file).unwrap().replace("ADDRESS", &address.to_string()).replace("DIR", &directory);
        let own = folder.path().join(file.file_name().unwrap());
        fs::write(&own, text).unwrap();
        fs::create_dir(folder.path().join("log")).unwrap();
        let log = File::create(folder.path().join("output")).unwrap();
        let child = Command::new(program.path())
            .arg("agent")
            .arg(format!("-config-file={}", own.display()))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, address, folder }
    }

    /// `DebugConfig`, with the place-holders back in and without what differs at each start.
    fn debug_config(&mut self) -> Value {
        let text = eventually("an answer of the agent", PATIENCE, || {
            let output = || fs::read_to_string(self.folder.path().join("output")).unwrap_or_default();
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the agent ended with {status}:\n{}", output());
            }
            let ask = |port: &u16| {
                http::request(self.address.port(*port), "GET", "/v1/agent/self", &[("X-Consul-Token", TOKEN)], b"")
            };
            let answer = HTTP_PORTS.iter().find_map(|port| ask(port).ok()).ok_or_else(output)?;
            if answer.status == 200 { Ok(answer.text()) } else { Err(answer.text()) }
        });
        let host = nix::unistd::gethostname().unwrap().to_string_lossy().into_owned();
        let directory = self.folder.path().display().to_string();
        let text = text.replace(&self.address.to_string(), "ADDRESS").replace(&directory, "DIR");
        let text = text.replace(&format!("\"NodeName\":\"{host}\""), "\"NodeName\":\"HOST\"");
        let mut shown = serde_json::from_str::<Value>(&text).unwrap()["DebugConfig"].take();
        if shown["NodeName"] == host.as_str() {
            shown["NodeName"] = "HOST".into();
        }
        for changing in ["NodeID", "Revision"] {
            shown.as_object_mut().unwrap().remove(changing);
        }
        shown
    }
}

fn write_certificates(folder: &Path) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = parameters.self_signed(&key).unwrap();
    fs::write(folder.join("ca.pem"), certificate.pem()).unwrap();
    fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
    fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
}

/// Leaves by path, with list positions as `[0]`. Empty lists and objects are leaves.
fn leaves(path: &str, value: &Value, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                leaves(&path, value, found);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, value) in items.iter().enumerate() {
                leaves(&format!("{path}[{index}]"), value, found);
            }
        }
        leaf => {
            found.insert(path.to_owned(), leaf.clone());
        }
    }
}

/// The rows of `different.txt`: file (or `*`), path, reason.
fn rows() -> Vec<(String, String)> {
    let text = fs::read_to_string(folder().join("different.txt")).unwrap();
    let rows = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    rows.map(|row| {
        let mut words = row.splitn(3, ' ');
        let (file, path, reason) = (words.next(), words.next(), words.next());
        assert!(reason.is_some_and(|reason| reason.len() > 10), "a row without a reason: {row}");
        (file.unwrap().to_owned(), path.unwrap().to_owned())
    })
    .collect()
}

#[test]
fn ours_makes_of_each_file_what_consul_makes_of_it() {
    let (program, rows) = (Program::ours(), rows());
    let (mut used, mut wrong) = (BTreeSet::new(), Vec::new());
    let files = files();
    for file in &files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let recorded = fs::read_to_string(format!("{}.self.json", file.display()));
        let recorded = recorded.unwrap_or_else(|error| panic!("{name} is not recorded, run with UPDATE=1: {error}"));
        let (mut ours, mut theirs) = (BTreeMap::new(), BTreeMap::new());
        leaves("", &Running::start(&program, file).debug_config(), &mut ours);
        leaves("", &serde_json::from_str(&recorded).unwrap(), &mut theirs);
        let paths: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        for path in paths.into_iter().filter(|path| ours.get(*path) != theirs.get(*path)) {
            let row = rows.iter().position(|(in_file, of)| (in_file == "*" || *in_file == name) && of == path);
            match row {
                Some(row) => {
                    used.insert(row);
                }
                None => {
                    let (ours, theirs) = (ours.get(path), theirs.get(path));
                    wrong.push(format!("{name} {path}: ours {ours:?}, Consul's {theirs:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} values differ:\n{}", wrong.len(), wrong.join("\n"));
    if std::env::var_os("CONFIGURATION").is_none() {
        assert!(files.len() >= 25, "the corpus is missing");
        let unused: Vec<_> = rows.iter().enumerate().filter(|(row, _)| !used.contains(row)).collect();
        assert!(unused.is_empty(), "rows of different.txt that differ no more: {unused:?}");
    }
    println!("{} files, {} values that differ for a named reason", files.len(), used.len());
}

#[test]
fn the_real_consul_makes_of_each_file_what_is_recorded() {
    let Some(program) = Program::oracle() else { return };
    for file in files() {
        let shown = Running::start(&program, &file).debug_config();
        let golden = format!("{}.self.json", file.display());
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&golden, format!("{shown:#}\n")).unwrap();
        }
        let recorded: Value =
            serde_json::from_str(&fs::read_to_string(&golden).unwrap_or_default()).unwrap_or_default();
        assert_eq!(shown, recorded, "{} is not what is recorded", file.display());
    }
}
