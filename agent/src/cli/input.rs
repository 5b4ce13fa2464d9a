//! Values given on the command line: plain, from a file (`@path`), or from the standard input (`-`); and pairs.

use std::io::Read as _;

use client::os_error_text;
use model::TextMap;

/// The bytes that a data argument stands for.
pub fn data(argument: &str) -> Result<Vec<u8>, String> {
    if argument == "-" {
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut bytes);
        return read.map(|_| bytes).map_err(|error| format!("Failed to read stdin: {}", os_error_text(&error)));
    }
    match argument.strip_prefix('@') {
        Some(path) => {
            std::fs::read(path).map_err(|error| format!("Failed to read file: open {path}: {}", os_error_text(&error)))
        }
        None => Ok(argument.as_bytes().to_vec()),
    }
}

/// `key=value` pairs; a key alone has an empty value.
pub fn pairs<'a>(texts: impl Iterator<Item = &'a str>) -> TextMap {
    texts.map(|text| text.split_once('=').unwrap_or((text, ""))).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

/// Consul's words for a wrong number of arguments.
#[must_use]
pub fn too_many(expected: &str, got: usize) -> String {
    format!("Too many arguments (expected {expected}, got {got})")
}

/// Surplus words for a message. From the first flag on they are left out: a token may follow.
#[must_use]
pub fn surplus(words: &[String]) -> String {
    let shown: Vec<&str> = words.iter().map(String::as_str).take_while(|word| !word.starts_with('-')).collect();
    shown.join(" ")
}
