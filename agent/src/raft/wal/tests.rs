//! The promise of the log: what was acknowledged is there after a power cut, whatever became of the rest.
//!
//! A power cut is played on a copy of the files: bytes that were written and not synced are kept, lost, or turned into
//! noise, at random. Each round has a seed, which the failure message names.

use std::path::Path;

use openraft::EntryPayload;
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

use super::files::Folder;
use super::writer::Writer;
use super::{WalError, recovery};
use crate::raft::types::{Command, Entry, LogId, PeerId, Vote, log_id};

const TAIL_BYTES_MAX: usize = 4096;

/// What must be found again.
#[derive(Clone, Debug, Default)]
struct Model {
    entries: Vec<Entry>,
    vote: Option<Vote>,
    purged: Option<LogId>,
}

impl Model {
    fn first(&self) -> u64 {
        self.purged.map_or(0, |id| id.index + 1)
    }

    fn next(&self) -> u64 {
        self.first() + self.entries.len() as u64
    }
}

fn entry(random: &mut StdRng, term: u64, index: u64) -> Entry {
    let mut bytes = vec![0; random.random_range(0..300)];
    random.fill_bytes(&mut bytes);
    let payload = match random.random_range(0..10) {
        0 => EntryPayload::Blank,
        _ => EntryPayload::Normal(Command(bytes.into())),
    };
    Entry { log_id: log_id(term, index), payload }
}

fn open(path: &Path) -> Result<(Writer, recovery::Recovered), WalError> {
    Writer::open_sized(Folder::open(path)?, TAIL_BYTES_MAX, 2000)
}

fn read_all(path: &Path, found: &recovery::Recovered) -> Vec<Entry> {
    let folder = Folder::open(path).unwrap();
    found.positions.iter().map(|position| recovery::read_entry(&folder, *position).unwrap()).collect()
}

/// One random operation on log and model.
fn act(random: &mut StdRng, writer: &mut Writer, model: &mut Model, term: &mut u64) -> Result<(), WalError> {
    match random.random_range(0..20) {
        0 => {
            *term += 1;
            let vote = Vote::new(*term, PeerId::from(random.random_range(0..3)));
            writer.set_vote(vote)?;
            model.vote = Some(vote);
        }
        1 if !model.entries.is_empty() => {
            let keep = random.random_range(0..model.entries.len());
            writer.truncate(model.first() + keep as u64)?;
            model.entries.truncate(keep);
        }
        2 if !model.entries.is_empty() => {
            let count = random.random_range(1..=model.entries.len());
            let upto = model.entries[count - 1].log_id;
            writer.purge(upto)?;
            model.entries.drain(..count);
            model.purged = Some(upto);
        }
        3 if random.random_range(0..10) == 0 => {
            // A snapshot was installed: the log goes on behind it.
            let upto = log_id(*term, model.next() + random.random_range(0..100));
            writer.purge(upto)?;
            model.entries.clear();
            model.purged = Some(upto);
        }
        4 => writer.set_committed(model.entries.last().map(|entry| entry.log_id).or(model.purged)),
        _ => {
            for _ in 0..random.random_range(1..5) {
                let entry = entry(random, *term, model.next());
                writer.append(entry.clone())?;
                model.entries.push(entry);
            }
        }
    }
    Ok(())
}

/// Damages what was written to the last segment and not synced.
fn cut_power(random: &mut StdRng, writer: &mut Writer) {
    if random.random() {
        writer.write().unwrap();
    }
    let (path, written) = writer.current();
    let synced = writer.synced;
    let mut bytes = std::fs::read(&path).unwrap();
    let end = (written as usize).min(bytes.len());
    let start = (synced as usize).min(end);
    match random.random_range(0..4) {
        0 => bytes.truncate(start),
        1 => bytes.truncate(random.random_range(start..=end)),
        2 => random.fill_bytes(&mut bytes[start..end]),
        _ => {
            for byte in &mut bytes[start..end] {
                if random.random_range(0..20) == 0 {
                    *byte = random.random();
                }
            }
        }
    }
    std::fs::write(path, bytes).unwrap();
}

/// The state found must be the acknowledged one, with nothing but a prefix of what was under way on top of it.
fn check(seed: u64, path: &Path, found: &recovery::Recovered, sure: &Model, unsure: &[Model]) -> Model {
    let entries = read_all(path, found);
    let same = |model: &&Model| {
        model.entries == entries && model.purged == found.marks.purged && model.vote == found.marks.vote
    };
    let known = std::iter::once(sure).chain(unsure).find(same);
    let tail: Vec<_> = entries.iter().skip(entries.len() - found.tail.len()).cloned().collect();
    assert_eq!(found.tail, tail, "seed {seed}: the entries in memory are the last ones");
    known.unwrap_or_else(|| panic!("seed {seed}: found {entries:?} {:?}, promised {sure:?}", found.marks)).clone()
}

fn round(seed: u64, folder: &Path) {
    let mut random = StdRng::seed_from_u64(seed);
    let path = folder.join(seed.to_string());
    let mut sure = Model::default();
    let mut term = 1;
    for _ in 0..random.random_range(1..5) {
        let (mut writer, found) = open(&path).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(read_all(&path, &found), sure.entries, "seed {seed}");
        let mut now = sure.clone();
        for _ in 0..random.random_range(0..30) {
            act(&mut random, &mut writer, &mut now, &mut term).unwrap();
            if random.random() {
                writer.commit().unwrap();
            }
        }
        writer.commit().unwrap();
        sure = now.clone();
        // Entries under way when the power goes: any number of them may have arrived.
        let mut unsure = Vec::new();
        for _ in 0..random.random_range(0..4) {
            let entry = entry(&mut random, term, now.next());
            if !fits(&writer) {
                break;
            }
            writer.append(entry.clone()).unwrap();
            now.entries.push(entry);
            unsure.push(now.clone());
        }
        cut_power(&mut random, &mut writer);
        drop(writer);
        let (writer, found) = open(&path).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        sure = check(seed, &path, &found, &sure, &unsure);
        drop(writer);
    }
    std::fs::remove_dir_all(&path).unwrap();
}

/// Whether another small entry surely goes into the same segment, so that only one file has bytes that are not synced.
fn fits(writer: &Writer) -> bool {
    writer.current().1 < 700
}

#[test]
fn acknowledged_entries_survive_every_power_cut() {
    // In memory where the system has such a folder: the rounds are about order, not about the disk.
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    for seed in 0..4000 {
        round(seed, folder.path());
    }
}

fn filled(path: &Path) -> Model {
    let mut random = StdRng::seed_from_u64(7);
    let mut model = Model::default();
    let (mut writer, _) = open(path).unwrap();
    for index in 0..100 {
        let entry = entry(&mut random, 1, index);
        writer.append(entry.clone()).unwrap();
        model.entries.push(entry);
    }
    writer.commit().unwrap();
    model
}

#[test]
fn damage_in_an_earlier_segment_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let path = Folder::open(folder.path()).unwrap().segment(2);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = open(folder.path()).err().unwrap().to_string();
    assert!(error.contains("damaged") && error.contains(&path.display().to_string()), "{error}");
}

#[test]
fn a_missing_segment_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    std::fs::remove_file(Folder::open(folder.path()).unwrap().segment(3)).unwrap();
    let error = open(folder.path()).err().unwrap();
    assert!(matches!(error, WalError::Gap { from: 0, .. }), "{error}");
}

#[test]
fn purging_takes_files_away_and_idle_restarts_do_not_collect_them() {
    let folder = tempfile::tempdir().unwrap();
    let model = filled(folder.path());
    let list = || Folder::open(folder.path()).unwrap().segments().unwrap().len();
    let before = list();
    assert!(before > 5);
    let (mut writer, _) = open(folder.path()).unwrap();
    writer.purge(model.entries[98].log_id).unwrap();
    drop(writer);
    assert!(list() <= 3, "{} files", list());
    for _ in 0..20 {
        drop(open(folder.path()).unwrap());
    }
    assert!(list() <= 24, "{} files", list());
    let (mut writer, found) = open(folder.path()).unwrap();
    assert_eq!(read_all(folder.path(), &found), model.entries[99..]);
    writer.purge(model.entries[99].log_id).unwrap();
    assert_eq!(list(), 1);
}
