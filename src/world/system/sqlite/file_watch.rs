//! Whether the file under the path is still the one that a run began with. A look is one system call.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The file that a connection is open on, as the path named it when the run began.
#[derive(Debug)]
pub(super) struct FileWatch {
    path: PathBuf,
    id: FileId,
    size: u64,
    /// When it was last written, before the run.
    written: Option<SystemTime>,
    /// Who may read and write it.
    pub(super) permissions: Option<Permissions>,
}

/// What tells a file from another one that takes its name; `None` where nothing does.
type FileId = Option<(u64, u64)>;

/// What has happened to the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nothing has that name any more.
    Deleted,
    /// Another file has it.
    Replaced,
    /// It holds nothing.
    Emptied,
    /// It no longer holds the journal: another content was written into it.
    Overwritten,
    /// It holds something that is no database.
    Damaged,
}

impl Trouble {
    /// What happened, behind the name of the file.
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Deleted => "was deleted during the run",
            Self::Replaced => "was replaced by another file during the run",
            Self::Emptied => "was emptied during the run",
            Self::Overwritten => {
                "was overwritten during the run, or everything in it was dropped: the journal is gone"
            }
            Self::Damaged => "was damaged, cut off or overwritten during the run",
        }
    }
}

/// What a look at the file found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The same file.
    Same,
    /// The same file, shorter than before: it was vacuumed, or a part of it was cut off.
    Shorter,
    /// No longer the database that it was.
    Lost(Trouble),
}

impl FileWatch {
    /// The file that has this path now.
    pub(super) fn begin(path: &Path) -> Self {
        let metadata = fs::metadata(path).ok();
        Self {
            path: path.to_owned(),
            id: metadata.as_ref().and_then(id),
            size: metadata.as_ref().map_or(0, fs::Metadata::len),
            written: metadata.as_ref().and_then(|it| it.modified().ok()),
            permissions: metadata.map(|metadata| metadata.permissions()),
        }
    }

    /// Looks at what has this path now.
    pub(super) fn look(&mut self) -> io::Result<Found> {
        let metadata = match fs::metadata(&self.path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Found::Lost(Trouble::Deleted));
            }
            Err(error) => return Err(error),
        };
        if id(&metadata) != self.id {
            return Ok(Found::Lost(Trouble::Replaced));
        }
        let size = metadata.len();
        let before = std::mem::replace(&mut self.size, size);
        Ok(if size == 0 {
            Found::Lost(Trouble::Emptied)
        } else if size < before {
            Found::Shorter
        } else {
            Found::Same
        })
    }
}

impl FileWatch {
    /// Whether the file itself was written since the run began. With a write-ahead log that is seldom so.
    pub(super) fn was_written(&self) -> bool {
        let metadata = fs::metadata(&self.path).ok();
        metadata.and_then(|it| it.modified().ok()) != self.written
    }
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere there is none")]
fn id(metadata: &fs::Metadata) -> FileId {
    use std::os::unix::fs::MetadataExt as _;
    Some((metadata.dev(), metadata.ino()))
}

/// Elsewhere a file that somebody has open cannot be replaced.
#[cfg(not(unix))]
fn id(_metadata: &fs::Metadata) -> FileId {
    None
}
