//! Rules for the source files: budgets, files that no module declares, unfinished work, words that have no place here.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::Breach;
use crate::tools;

/// Longest source file, lines.
const LINES_MAX: usize = 800;

/// Text that must not stand in a source file, with the reason. Split so that this table does not accuse itself.
const BANNED: &[(&str, &str, &str)] = &[
    ("todo", "!(", "finish it, or return an error that says what is missing"),
    ("unimplemented", "!(", "finish it, or return an error that says what is missing"),
    ("#[ign", "ore", "a test that does not run proves nothing; put long ones behind their own xtask command"),
    ("FIX", "ME", "mend it, or open an issue"),
    ("bincode", "::", "dead crate; commands are MessagePack maps"),
];

pub(super) fn check() -> Result<Vec<Breach>> {
    let root = tools::root();
    let listed = tools::run(std::process::Command::new("git").current_dir(&root).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "*.rs",
    ]))?;
    let files: Vec<PathBuf> = listed.lines().map(PathBuf::from).filter(|file| root.join(file).is_file()).collect();
    let mut breaches = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(root.join(file))?;
        breaches.extend(check_text(file, &text));
        breaches.extend(check_declared(&root, file));
    }
    Ok(breaches)
}

fn check_text(file: &Path, text: &str) -> Vec<Breach> {
    let shown = file.display();
    let mut breaches = Vec::new();
    let lines = text.lines().count();
    if lines > LINES_MAX {
        breaches.push(format!("{shown}: {lines} lines, the limit is {LINES_MAX}; split it by noun"));
    }
    if !text.starts_with("//!") && !text.starts_with("#!") {
        breaches.push(format!("{shown}: starts without a `//!` that says what it is"));
    }
    for (head, tail, reason) in BANNED {
        if text.contains(&format!("{head}{tail}")) {
            breaches.push(format!("{shown}: `{head}{tail}`: {reason}"));
        }
    }
    breaches
}

/// A file below `src` must be declared as a module by the file above it.
fn check_declared(root: &Path, file: &Path) -> Option<Breach> {
    let parts: Vec<&str> = file.iter().filter_map(|part| part.to_str()).collect();
    let src = parts.iter().position(|part| *part == "src")?;
    let stem = file.file_stem()?.to_str()?;
    let inside = &parts[src + 1..];
    if inside.len() == 1 && ["lib", "main", "build"].contains(&stem) || inside.first() == Some(&"bin") {
        return None;
    }
    let folder = file.parent()?;
    let (module, folder) =
        if stem == "mod" { (folder.file_name()?.to_str()?, folder.parent()?) } else { (stem, folder) };
    let mut parents = vec![folder.join("mod.rs"), folder.with_extension("rs")];
    if folder.ends_with("src") {
        parents.extend([folder.join("lib.rs"), folder.join("main.rs")]);
    }
    let declared = parents.iter().any(|parent| {
        std::fs::read_to_string(root.join(parent)).is_ok_and(|text| text.contains(&format!("mod {module};")))
    });
    (!declared).then(|| format!("{}: no module declares it; it is dead", file.display()))
}
