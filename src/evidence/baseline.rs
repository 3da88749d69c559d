//! A baseline: the violations that are known and accepted, so that only new ones fail a run. A small file that people read and
//! commit; an entry has no id of a row in it, so it means the same in every run.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::event::{ConfirmationResult, Finished, Stop};
use crate::model::Severity;
use crate::own_files;

/// Version of the format.
const VERSION: u32 = 1;
/// What stands between the actions of a path.
const ARROW: &str = " -> ";
/// Larger files are no baselines.
const MAX_BYTES: u64 = 10_000_000;

/// The violations that a file accepts, of all specs.
#[derive(Clone, Debug)]
pub(crate) struct Baseline {
    file: PathBuf,
    /// By name of the spec, and cause.
    entries: BTreeMap<(String, String), Entry>,
    /// The keys that it had when it was read.
    before: BTreeSet<(String, String)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    venomqa_baseline: u32,
    known: Vec<Entry>,
}

/// One violation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// Name of the spec.
    spec: String,
    /// See [`Violation::cause`](crate::event::Violation::cause).
    cause: String,
    severity: Severity,
    /// The actions of its path, for people.
    path: String,
}

impl Baseline {
    /// Reads a file. Where there is none, the baseline is empty if `may_be_missing`.
    pub(crate) fn read(file: &Path, may_be_missing: bool) -> Result<Self, String> {
        let mut entries = BTreeMap::new();
        match text(file) {
            Ok(text) => {
                let document: Document = serde_json::from_str(&text)
                    .map_err(|error| format!("it is no baseline: {error}"))?;
                if document.venomqa_baseline != VERSION {
                    return Err(format!(
                        "it has format {}, this venomqa reads format {VERSION}",
                        document.venomqa_baseline
                    ));
                }
                for entry in document.known {
                    entries.insert((entry.spec.clone(), entry.cause.clone()), entry);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && may_be_missing => {}
            Err(error) => return Err(error.to_string()),
        }
        Ok(Self {
            file: file.to_owned(),
            before: entries.keys().cloned().collect(),
            entries,
        })
    }

    /// The causes that are accepted of a spec.
    pub(crate) fn causes(&self, spec: &str) -> BTreeSet<String> {
        let keys = self.entries.keys();
        keys.filter(|(of, _)| of == spec)
            .map(|(_, cause)| cause.clone())
            .collect()
    }

    /// Accepts what a run has confirmed. Entries that it did not see stay, unless it visited every state, and could have taken their
    /// path: `off` are the actions that were switched off.
    pub(crate) fn update(&mut self, spec: &str, run: &Finished, off: &BTreeSet<&str>) {
        let is_complete = run.stop
            == Stop::Complete {
                depth_limited: false,
            };
        let seen: BTreeSet<&str> = run.violations.iter().map(|found| &*found.cause).collect();
        self.entries.retain(|(of, cause), entry| {
            let was_possible = || !entry.path.split(ARROW).any(|action| off.contains(action));
            of != spec || seen.contains(&**cause) || !is_complete || !was_possible()
        });
        for found in &run.violations {
            if found.confirmation.result != ConfirmationResult::Confirmed {
                continue;
            }
            let path: Vec<&str> = found.path.iter().map(|step| &*step.action).collect();
            let entry = Entry {
                spec: spec.to_owned(),
                cause: found.cause.clone(),
                severity: found.severity,
                path: path.join(ARROW),
            };
            self.entries
                .insert((spec.to_owned(), found.cause.clone()), entry);
        }
    }

    /// What the file accepts now, and what has changed since it was read: a line for each.
    pub(crate) fn in_words(&self) -> String {
        let added = self.entries.keys().filter(|key| !self.before.contains(key));
        let gone = (self.before.iter()).filter(|key| !self.entries.contains_key(key));
        let lines = added
            .map(|key| ("+", key))
            .chain(gone.map(|key| ("-", key)));
        let lines = lines.map(|(sign, (spec, cause))| format!("\n    {sign} {spec}: {cause}"));
        let lines = lines.collect::<Vec<_>>().concat();
        let file = self.file.display();
        let accepts = match self.entries.len() {
            0 => "no violation".to_owned(),
            1 => "1 violation".to_owned(),
            several => format!("{several} violations"),
        };
        let unchanged = if lines.is_empty() { ", as before" } else { "" };
        format!("  wrote the baseline `{file}`: it accepts {accepts}{unchanged}{lines}")
    }

    /// Writes the file, whole or not at all.
    pub(crate) fn write(&self) -> io::Result<()> {
        let document = Document {
            venomqa_baseline: VERSION,
            known: self.entries.values().cloned().collect(),
        };
        let text = serde_json::to_string_pretty(&document)?;
        own_files::refuse_link(&self.file)?;
        let folder = match self.file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        std::fs::create_dir_all(folder)?;
        let mut temporary = tempfile::Builder::new()
            .prefix(".venomqa-")
            .tempfile_in(folder)?;
        writeln!(temporary, "{text}")?;
        #[cfg(unix)]
        {
            // As for reproductions: people commit it.
            use std::os::unix::fs::PermissionsExt as _;
            let readable = std::fs::Permissions::from_mode(0o644);
            temporary.as_file().set_permissions(readable)?;
        }
        temporary.persist(&self.file).map_err(|error| error.error)?;
        Ok(())
    }
}

fn text(file: &Path) -> io::Result<String> {
    let mut file = own_files::open(file)?;
    if file.metadata()?.len() > MAX_BYTES {
        let why = format!("it is larger than {} MB", MAX_BYTES / 1_000_000);
        return Err(io::Error::other(why));
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}
