//! The corpus of a spec: the reproductions of earlier violations, in the folder `.venomqa/` beside the spec.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::model::{Model, OracleName, Reproduction};
use crate::oracle::checks;
use crate::own_files;
use crate::spec::reproduction;

/// Leads from that folder to the folder of the spec.
pub(crate) const TO_SPEC: &str = "..";
/// Larger files are no reproductions.
const MAX_BYTES: u64 = 10_000_000;

/// The reproductions of one spec.
#[derive(Debug)]
pub(crate) struct Corpus {
    folder: PathBuf,
    /// File name of the spec.
    spec: String,
    kept: Vec<Kept>,
}

/// One file of a corpus.
#[derive(Debug)]
struct Kept {
    /// Name of the file.
    file: String,
    /// Its content.
    reproduction: Reproduction,
}

/// Where a reproduction goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// Into this file.
    Write(String),
    /// This file has the same path, or a shorter one.
    Keep(String),
}

impl Corpus {
    /// Reads the reproductions of a spec. The second part lists the files that cannot be read, each with the reason.
    pub(crate) fn read(spec: &Path) -> (Self, Vec<String>) {
        let folder = spec
            .parent()
            .unwrap_or(Path::new(""))
            .join(reproduction::FOLDER);
        let spec = spec
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let mut kept = Vec::new();
        let mut problems = Vec::new();
        for path in files(&folder, &mut problems) {
            let file = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            match text(&path).and_then(|text| reproduction::read_summary(&text)) {
                Ok(found) if found.origin.spec == spec => kept.push(Kept {
                    file,
                    reproduction: found,
                }),
                // Another spec of the same folder.
                Ok(_) => {}
                Err(error) => {
                    problems.push(format!("`{}` cannot be read: {error}", path.display()));
                }
            }
        }
        (Self { folder, spec, kept }, problems)
    }

    /// The reproductions of the spec, each with its file name.
    pub(crate) fn kept(&self) -> impl Iterator<Item = (&str, &Reproduction)> {
        self.kept
            .iter()
            .map(|kept| (kept.file.as_str(), &kept.reproduction))
    }

    /// The path of a file, as people type it.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// File name of the spec.
    pub(crate) fn spec(&self) -> &str {
        &self.spec
    }

    /// Chooses the file of a reproduction: the one that is named after it, unless that file holds another violation.
    /// `settled` says whether the path of a kept file no longer shows its violation, or cannot be tried. Such a file is never
    /// overwritten.
    pub(crate) fn place(
        &self,
        model: &Model,
        reproduction: &Reproduction,
        settled: &dyn Fn(&str) -> bool,
    ) -> Destination {
        let names = |of: &Reproduction| -> Vec<String> {
            of.path.iter().map(|step| step.action.clone()).collect()
        };
        let stem = stem(model, reproduction);
        let mut number = 1;
        loop {
            let file = if number == 1 {
                format!("{stem}.yaml")
            } else {
                format!("{stem}-{number}.yaml")
            };
            let Some(kept) = self.kept.iter().find(|kept| kept.file == file) else {
                // A file that is not kept may still exist: it belongs to another spec, or cannot be read.
                if std::fs::symlink_metadata(self.path(&file)).is_err() {
                    return Destination::Write(file);
                }
                number += 1;
                continue;
            };
            let is_other = kept.reproduction.oracle != reproduction.oracle
                || who_may_not(model, &kept.reproduction) != who_may_not(model, reproduction);
            if is_other || settled(&file) {
                number += 1;
                continue;
            }
            let is_same = names(&kept.reproduction) == names(reproduction);
            let is_longer = reproduction.path.len() > kept.reproduction.path.len();
            return if is_same || is_longer {
                Destination::Keep(file)
            } else {
                Destination::Write(file)
            };
        }
    }

    /// Writes a file, whole or not at all.
    pub(crate) fn write(&self, file: &str, text: &str) -> io::Result<()> {
        own_files::refuse_link(&self.folder)?;
        std::fs::create_dir_all(&self.folder)?;
        let mut temporary = tempfile::Builder::new()
            .prefix(".venomqa-")
            .tempfile_in(&self.folder)?;
        temporary.write_all(text.as_bytes())?;
        #[cfg(unix)]
        {
            // A temporary file is private; what people may commit is as readable as any other file.
            use std::os::unix::fs::PermissionsExt as _;
            let readable = std::fs::Permissions::from_mode(0o644);
            temporary.as_file().set_permissions(readable)?;
        }
        temporary
            .persist(self.folder.join(file))
            .map_err(|error| error.error)?;
        Ok(())
    }
}

/// The YAML files of the folder, by name; none where there is no folder.
fn files(folder: &Path, problems: &mut Vec<String>) -> Vec<PathBuf> {
    let entries = match own_files::refuse_link(folder).and_then(|()| std::fs::read_dir(folder)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            problems.push(format!("`{}` cannot be read: {error}", folder.display()));
            return Vec::new();
        }
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    files
}

fn text(path: &Path) -> Result<String, String> {
    let unreadable = |error: io::Error| error.to_string();
    let mut file = own_files::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.len() > MAX_BYTES {
        return Err(format!("it is larger than {} MB", MAX_BYTES / 1_000_000));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

/// Who has done what they may not, where that is what the reproduction shows.
fn who_may_not<'m>(model: &'m Model, reproduction: &Reproduction) -> Option<&'m str> {
    if reproduction.oracle != OracleName::Check(checks::ACCESS_CONTROL.to_owned()) {
        return None;
    }
    let last = &reproduction.path.last()?.action;
    let action = model.actions.iter().find(|action| action.name == *last)?;
    Some(&action.forbidden.as_ref()?.principal)
}

/// `no_over_refund-refund_order`: the oracle, and the action whose step broke it, without its parameters.
fn stem(model: &Model, reproduction: &Reproduction) -> String {
    let action = reproduction.path.last().map_or("initial-state", |step| {
        model
            .actions
            .iter()
            .find(|action| action.name == step.action)
            .map_or(step.action.as_str(), |action| action.base_name.as_str())
    });
    format!(
        "{}-{}",
        sanitised(reproduction.oracle.name()),
        sanitised(action)
    )
}

/// A name that every file system takes.
fn sanitised(name: &str) -> String {
    const LONGEST: usize = 80;
    name.chars()
        .map(|letter| {
            if letter.is_alphanumeric() || letter == '_' || letter == '-' {
                letter
            } else {
                '_'
            }
        })
        .take(LONGEST)
        .collect()
}
