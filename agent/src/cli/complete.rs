//! Completion in shells. A shell asks the program itself: it puts the line into COMP_LINE and shows what comes out.
//! `-autocomplete-install` tells bash, zsh and fish to do so, in the files that Consul uses.

use std::path::{Path, PathBuf};

use super::frame::{Command, Failure, Outcome, Report, Run, Shared};

/// Flags of the program without a command.
const TOP_FLAGS: [&str; 4] = ["-autocomplete-install", "-autocomplete-uninstall", "-help", "-version"];
/// Files of bash, of which the first that exists is used.
const BASH_FILES: [&str; 4] = [".bashrc", ".bash_profile", ".bash_login", ".profile"];

/// What may stand at the end of the line, `point` bytes long, that begins with the program's name.
pub fn candidates(all: &[Command], line: &str, point: Option<usize>) -> Vec<String> {
    let line = point.and_then(|point| line.get(..point)).unwrap_or(line);
    let mut words: Vec<&str> = line.split_whitespace().collect();
    let last = if line.ends_with(char::is_whitespace) { "" } else { words.pop().unwrap_or_default() };
    let words: Vec<&str> = words.into_iter().skip(1).collect();
    let named = |command: &&Command| command.name.split(' ').enumerate().all(|(at, word)| words.get(at) == Some(&word));
    let command = all.iter().filter(named).max_by_key(|command| command.name.split(' ').count());
    let mut found: Vec<String> = match (command, last.starts_with('-')) {
        (None, true) => TOP_FLAGS.map(str::to_owned).to_vec(),
        (None, false) if words.is_empty() => names_below(all, ""),
        (None, false) => Vec::new(),
        (Some(command), true) => flags(command),
        (Some(command), false) if words.len() == command.name.split(' ').count() => names_below(all, command.name),
        (Some(_), false) => Vec::new(),
    };
    found.retain(|candidate| candidate.starts_with(last));
    found.sort_unstable();
    found.dedup();
    found
}

fn flags(command: &Command) -> Vec<String> {
    let own = match command.shared {
        Shared::Agent => super::agent::flags(),
        _ => command.all_flags(),
    };
    let help = std::iter::once("-help".to_owned());
    let is_group = matches!(command.run, Run::Group);
    own.iter().filter(|_| !is_group).map(|flag| format!("-{}", flag.name)).chain(help).collect()
}

fn names_below(all: &[Command], parent: &str) -> Vec<String> {
    let below = |command: &Command| match (parent, command.name.rsplit_once(' ')) {
        ("", None) => Some(command.name.to_owned()),
        (_, Some((above, name))) if above == parent => Some(name.to_owned()),
        _ => None,
    };
    all.iter().filter_map(below).collect()
}

/// One shell's file and what is to stand in it.
struct Place {
    file: PathBuf,
    text: String,
    /// Whether the file is ours alone.
    is_whole: bool,
}

/// The files of the shells that this user has.
fn places(home: &Path, program: &str) -> Vec<Place> {
    let mut places = Vec::new();
    if let Some(file) = BASH_FILES.iter().map(|name| home.join(name)).find(|file| file.is_file()) {
        places.push(Place { file, text: format!("complete -o default -C {program} consul\n"), is_whole: false });
    }
    let zsh = home.join(".zshrc");
    if zsh.is_file() {
        let text = format!(
            "autoload -U +X bashcompinit && bashcompinit\ncomplete -o nospace -o default -C {program} consul\n"
        );
        places.push(Place { file: zsh, text, is_whole: false });
    }
    let fish = home.join(".config/fish");
    if fish.is_dir() {
        let text = format!(
            "complete --command consul --arguments '(env COMP_LINE=(commandline --cut-at-cursor --current-process | \
             string collect) {program})'\n"
        );
        places.push(Place { file: fish.join("completions/consul.fish"), text, is_whole: true });
    }
    places
}

/// Installs completion, or takes it away.
pub fn set_up(home: &Path, program: &str, install: bool) -> Outcome {
    let places = places(home, program);
    if places.is_empty() {
        return Err(failure(&["Did not find any shells to install".to_owned()]));
    }
    let change = |place: &Place| if install { add(place) } else { remove(place) };
    let errors: Vec<String> = places.iter().filter_map(|place| change(place).err()).collect();
    if errors.is_empty() { Ok(Report::silent()) } else { Err(failure(&errors)) }
}

fn failure(errors: &[String]) -> Failure {
    let count = if errors.len() == 1 { "1 error" } else { &format!("{} errors", errors.len()) };
    let list: String = errors.iter().map(|error| format!("\t* {error}\n")).collect();
    Failure::new(format!("Error executing CLI: {count} occurred:\n{list}\n"))
}

fn add(place: &Place) -> Result<(), String> {
    let file = place.file.display();
    let old = std::fs::read_to_string(&place.file).unwrap_or_default();
    if is_there(&old, place) {
        return Err(format!("already installed in {file}"));
    }
    if let Some(folder) = place.file.parent() {
        std::fs::create_dir_all(folder).map_err(|error| format!("cannot create {}: {error}", folder.display()))?;
    }
    let gap = if old.is_empty() || old.ends_with('\n') { "" } else { "\n" };
    let new = if place.is_whole { place.text.clone() } else { format!("{old}{gap}{}", place.text) };
    std::fs::write(&place.file, new).map_err(|error| format!("cannot write {file}: {error}"))
}

fn remove(place: &Place) -> Result<(), String> {
    let file = place.file.display();
    let old = std::fs::read_to_string(&place.file).unwrap_or_default();
    if !is_there(&old, place) {
        return Err(format!("does not installed in {file}"));
    }
    if place.is_whole {
        return std::fs::remove_file(&place.file).map_err(|error| format!("cannot remove {file}: {error}"));
    }
    let ours: Vec<&str> = place.text.lines().collect();
    let kept: String = old.lines().filter(|line| !ours.contains(line)).flat_map(|line| [line, "\n"]).collect();
    std::fs::write(&place.file, kept).map_err(|error| format!("cannot write {file}: {error}"))
}

fn is_there(text: &str, place: &Place) -> bool {
    let last = place.text.lines().last().unwrap_or_default();
    text.lines().any(|line| line == last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::COMMANDS;

    fn of(line: &str) -> Vec<String> {
        candidates(COMMANDS, line, None)
    }

    #[test]
    fn commands_and_flags_are_completed() {
        assert_eq!(of("consul m"), ["maint", "members", "monitor"]);
        assert_eq!(of("consul operator raft "), ["list-peers", "recover", "remove-peer", "transfer-leader"]);
        assert_eq!(of("consul operator raft"), ["raft"]);
        assert_eq!(of("consul -"), TOP_FLAGS);
        assert_eq!(of("consul kv get -rec"), ["-recurse"]);
        assert!(of("consul kv get x -").contains(&"-stale".to_owned()));
        assert!(of("consul agent -boot").contains(&"-bootstrap-expect".to_owned()));
        for nothing in ["consul kv get ", "consul kv get x", "consul maint -x", "consul zz ", "consul zz -x y"] {
            assert!(
                of(nothing).iter().all(|found| TOP_FLAGS.contains(&found.as_str())),
                "{nothing}: {:?}",
                of(nothing)
            );
        }
        assert_eq!(candidates(COMMANDS, "consul mxyz", Some(8)), ["maint", "members", "monitor"]);
        // A point inside a letter, or past the end.
        assert!(candidates(COMMANDS, "consul ü", Some(8)).is_empty() && candidates(COMMANDS, "", Some(99)).len() > 20);
    }

    #[test]
    fn what_was_installed_is_taken_away_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let set_up = |install| set_up(home.path(), "/bin/consul", install);
        assert!(set_up(true).unwrap_err().message.contains("Did not find any shells to install"));
        let read = |name: &str| std::fs::read_to_string(home.path().join(name)).unwrap_or_default();
        for file in [".bashrc", ".zshrc"] {
            std::fs::write(home.path().join(file), "alias l=ls").unwrap();
        }
        std::fs::create_dir_all(home.path().join(".config/fish")).unwrap();
        set_up(true).unwrap();
        assert_eq!(read(".bashrc"), "alias l=ls\ncomplete -o default -C /bin/consul consul\n");
        assert!(read(".config/fish/completions/consul.fish").contains("/bin/consul"));
        assert!(set_up(true).unwrap_err().message.starts_with("Error executing CLI: 3 errors occurred:\n\t* already"));
        set_up(false).unwrap();
        assert_eq!((read(".bashrc"), read(".zshrc")), ("alias l=ls\n".to_owned(), "alias l=ls\n".to_owned()));
        assert!(!home.path().join(".config/fish/completions/consul.fish").exists());
        assert!(set_up(false).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_line_is_too_odd(line in "\\PC{0,40}", point in 0_usize..50) {
            for candidate in candidates(COMMANDS, &line, Some(point)) {
                proptest::prop_assert!(!candidate.is_empty());
            }
        }
    }
}
