//! Configuration files, good and broken, with the exact text that the user gets: `corpus/NAME.{hcl,json}` and
//! `corpus/NAME.{hcl,json}.out`. `UPDATE=1 cargo test -p config` writes the texts anew; review the diff.

use std::fs;
use std::path::{Path, PathBuf};

use config::{Format, Host, Inputs, Interface, Source, load};

fn host() -> Host {
    let interface = |name: &str, ip: &str| Interface::new(name, ip.parse().unwrap());
    Host {
        name: "testhost".to_owned(),
        interfaces: vec![interface("lo", "127.0.0.1"), interface("eth0", "10.0.0.5"), interface("eth1", "8.8.4.4")],
        default_interface: "eth0".to_owned(),
    }
}

fn outcome(path: &Path) -> String {
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let format = Format::of_name(&name).unwrap();
    let text = fs::read_to_string(path).unwrap();
    let inputs = Inputs { files: vec![Source { name, format, text }], ..Inputs::default() };
    match load(&inputs, &host()) {
        Ok(loaded) => {
            let warnings: String = loaded.warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
            format!("{warnings}{:#?}\n", loaded.config)
        }
        Err(problems) => format!("{problems}\n"),
    }
}

#[test]
fn every_file_gives_its_text() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension != "out"));
    files.sort();
    assert!(files.len() >= 20, "the corpus is missing");
    let mut wrong = Vec::new();
    for path in files {
        let golden = PathBuf::from(format!("{}.out", path.display()));
        let found = outcome(&path);
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&golden, &found).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != found {
            wrong.push(format!("{}:\n{found}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "differs from the golden text:\n{}", wrong.join("\n"));
}
