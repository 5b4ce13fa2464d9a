//! What the programs are made of: licences and origins are checked against `deny.toml`, and a bill of materials is written.
//!
//! `cargo deny check` looks at the same file, and at published vulnerabilities as well, where it is installed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::stage::Log;
use crate::tools;

/// The programs, by package.
const PROGRAMS: [&str; 2] = ["agent", "operator"];
/// How Cargo names a package that comes from a registry, whichever it is.
const REGISTRY: &str = "registry+";
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The stage of `cargo xtask test`.
pub fn stage(log: &Log) -> Result<()> {
    let packages = packages()?;
    let problems = problems(&packages, &policy()?);
    ensure!(problems.is_empty(), "{}", problems.join("\n"));
    log.note(&format!("{} packages, all with known licences from known places", packages.len()))?;
    for program in PROGRAMS {
        let (one, other) = (bill(&packages, program)?, bill(&self::packages()?, program)?);
        ensure!(one == other, "two bills of materials of the same tree differ");
    }
    if tools::has_program("cargo-deny") {
        log.run(tools::cargo().args(["deny", "--offline", "check", "bans", "licenses", "sources"]))?;
    }
    Ok(())
}

/// Runs `cargo xtask sbom`: writes `target/sbom/PROGRAM.cdx.json`.
pub fn write_bills() -> Result<()> {
    let packages = packages()?;
    let folder = tools::target_dir().join("sbom");
    std::fs::create_dir_all(&folder)?;
    for program in PROGRAMS {
        let path: PathBuf = folder.join(format!("{program}.cdx.json"));
        std::fs::write(&path, bill(&packages, program)?)?;
        println!("  {}", path.display());
    }
    Ok(())
}

/// A package of the lock file.
#[derive(Clone, Debug)]
struct Package {
    name: String,
    version: String,
    license: String,
    source: Option<String>,
    /// Ids of what it is built with, but for tests.
    uses: Vec<String>,
}

/// What the programs are built with, by id.
fn packages() -> Result<BTreeMap<String, Package>> {
    let text = tools::run(tools::cargo().args([
        "metadata",
        "--locked",
        "--offline",
        "--format-version",
        "1",
        "--filter-platform",
        TARGET,
    ]))?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata")?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut all = BTreeMap::new();
    for package in list(&metadata["packages"]) {
        let source = package["source"].as_str().map(str::to_owned);
        let (name, version, license) = (text(&package["name"]), text(&package["version"]), text(&package["license"]));
        all.insert(text(&package["id"]), Package { name, version, license, source, uses: Vec::new() });
    }
    for node in list(&metadata["resolve"]["nodes"]) {
        let uses = list(&node["deps"]);
        let uses = uses.iter().filter(|used| list(&used["dep_kinds"]).iter().any(|kind| kind["kind"] != "dev"));
        if let Some(package) = all.get_mut(&text(&node["id"])) {
            package.uses = uses.map(|used| text(&used["pkg"])).collect();
        }
    }
    let mut wanted = BTreeSet::new();
    for program in PROGRAMS {
        reach(&all, &id_of(&all, program)?, &mut wanted);
    }
    all.retain(|id, _| wanted.contains(id));
    Ok(all)
}

fn id_of(all: &BTreeMap<String, Package>, name: &str) -> Result<String> {
    let found = all.iter().find(|(_, package)| package.name == name && package.source.is_none());
    found.map(|(id, _)| id.clone()).with_context(|| format!("there is no package {name}"))
}

fn reach(all: &BTreeMap<String, Package>, id: &str, seen: &mut BTreeSet<String>) {
    if seen.insert(id.to_owned()) {
        for used in all.get(id).map(|package| package.uses.as_slice()).unwrap_or_default() {
            reach(all, used, seen);
        }
    }
}

/// What `deny.toml` says.
#[derive(Debug)]
struct Policy {
    licences: Vec<String>,
    banned: Vec<String>,
}

fn policy() -> Result<Policy> {
    let text = std::fs::read_to_string(tools::root().join("deny.toml"))?;
    let list = |start: &str| -> Result<Vec<String>> {
        let (_, rest) = text.split_once(start).with_context(|| format!("deny.toml has no {start:?}"))?;
        let (list, _) = rest.split_once(']').context("deny.toml: a list does not end")?;
        Ok(list.split('"').skip(1).step_by(2).map(str::to_owned).collect())
    };
    let banned = text.lines().filter_map(|line| line.trim().strip_prefix("{ name = \""));
    let banned = banned.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect();
    Ok(Policy { licences: list("allow = [")?, banned })
}

fn problems(packages: &BTreeMap<String, Package>, policy: &Policy) -> Vec<String> {
    let mut found = Vec::new();
    for package in packages.values() {
        let (name, version) = (&package.name, &package.version);
        if !is_allowed(&package.license, &policy.licences) {
            found.push(format!("{name} {version}: deny.toml does not allow its licence {:?}", package.license));
        }
        if package.source.as_deref().is_some_and(|source| !source.starts_with(REGISTRY)) {
            found.push(format!("{name} {version} comes from {:?}", package.source));
        }
        if policy.banned.contains(name) {
            found.push(format!("{name} {version}: deny.toml bans it"));
        }
    }
    found
}

/// Whether an expression of licences can be met by those that are allowed.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    any_of(&words, &mut at, allowed) && at == words.len()
}

fn any_of(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut is_met = all_of(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        is_met |= all_of(words, at, allowed);
    }
    is_met
}

fn all_of(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut is_met = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        is_met &= one(words, at, allowed);
    }
    is_met
}

fn one(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let is_met = any_of(words, at, allowed);
        let is_closed = words.get(*at) == Some(&")");
        *at += 1;
        return is_met && is_closed;
    }
    let mut licence = (*word).to_owned();
    if let (Some(&"WITH"), Some(exception)) = (words.get(*at), words.get(*at + 1)) {
        licence = format!("{licence} WITH {exception}");
        *at += 2;
    }
    allowed.contains(&licence)
}

/// The bill of materials of a program: CycloneDX 1.5, the same text for the same lock file.
fn bill(packages: &BTreeMap<String, Package>, program: &str) -> Result<String> {
    let root = id_of(packages, program)?;
    let mut wanted = BTreeSet::new();
    reach(packages, &root, &mut wanted);
    let checksums = checksums()?;
    let reference = |package: &Package| format!("pkg:cargo/{}@{}", package.name, package.version);
    let component = |id: &String| {
        let package = &packages[id];
        let mut shown = json!({
            "type": if *id == root { "application" } else { "library" },
            "bom-ref": reference(package),
            "name": package.name,
            "version": package.version,
            "licenses": [{"expression": package.license.replace('/', " OR ")}],
            "purl": reference(package),
        });
        if let Some(checksum) = checksums.get(&(package.name.clone(), package.version.clone())) {
            shown["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
        }
        shown
    };
    let dependencies = |id: &String| {
        let package = &packages[id];
        let uses: BTreeSet<String> = package.uses.iter().filter_map(|id| packages.get(id)).map(reference).collect();
        json!({"ref": reference(package), "dependsOn": uses})
    };
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(&root)},
        "components": wanted.iter().filter(|id| **id != root).map(component).collect::<Vec<_>>(),
        "dependencies": wanted.iter().map(dependencies).collect::<Vec<_>>(),
    });
    let text = serde_json::to_string_pretty(&bill)?;
    let home = tools::root();
    if text.contains(&home.display().to_string()) {
        bail!("the bill of materials names a folder of this machine");
    }
    Ok(text + "\n")
}

/// Fingerprints of the lock file by name and version.
fn checksums() -> Result<BTreeMap<(String, String), String>> {
    let text = std::fs::read_to_string(tools::root().join("Cargo.lock"))?;
    let mut found = BTreeMap::new();
    for block in text.split("[[package]]").skip(1) {
        let field = |name: &str| {
            let start = format!("{name} = \"");
            block.lines().find_map(|line| line.strip_prefix(&start)).map(|rest| rest.trim_end_matches('"').to_owned())
        };
        if let (Some(name), Some(version), Some(checksum)) = (field("name"), field("version"), field("checksum")) {
            found.insert((name, version), checksum);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_met_or_not() {
        let allowed = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "ISC"].map(str::to_owned);
        for good in
            ["MIT", "MIT OR GPL-3.0", "MIT/Apache-2.0", "(GPL-3.0 OR MIT) AND ISC", "Apache-2.0 WITH LLVM-exception"]
        {
            assert!(is_allowed(good, &allowed), "{good}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "MIT WITH x", "(MIT", "MIT)", "MIT MIT", "OR MIT"] {
            assert!(!is_allowed(bad, &allowed), "{bad}");
        }
    }

    #[test]
    fn what_the_programs_are_made_of_is_known() {
        let packages = packages().expect("cargo metadata");
        assert!(packages.len() > 100);
        assert_eq!(problems(&packages, &policy().expect("deny.toml")), Vec::<String>::new());
        let none = Policy { licences: vec!["ISC".to_owned()], banned: vec!["tokio".to_owned()] };
        let found = problems(&packages, &none).join("\n");
        assert!(found.contains("deny.toml bans it") && found.contains("does not allow its licence"));
        let bill: Value = serde_json::from_str(&bill(&packages, "agent").expect("a bill")).expect("JSON");
        let names: Vec<&str> =
            bill["components"].as_array().expect("a list").iter().filter_map(|c| c["name"].as_str()).collect();
        assert!(names.contains(&"rustls") && !names.contains(&"proptest") && !names.contains(&"kube"));
    }

    #[test]
    fn the_image_has_no_shell_and_no_root() {
        let text = std::fs::read_to_string(tools::root().join("Dockerfile")).expect("the Dockerfile");
        let orders: Vec<&str> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
        assert_eq!(orders[0], "FROM scratch");
        let user = orders.iter().find_map(|order| order.strip_prefix("USER ")).expect("a user");
        let ids: Vec<u32> = user.split(':').map(|id| id.parse().expect("a number")).collect();
        assert!(ids.iter().all(|id| *id > 0));
        let copied: Vec<&&str> =
            orders.iter().filter(|order| order.starts_with("COPY") || order.starts_with("ADD")).collect();
        assert_eq!(copied, [&"COPY dist/consul dist/consul-operator /bin/"]);
        assert!(!orders.iter().any(|order| order.starts_with("RUN")));
    }
}
