//! Whether the file under the path is still the one that a run began with. A look is one system call.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::copy_note::{FileId, Rights, file_id};

/// The file that a connection is open on, as the path named it when the run began.
#[derive(Debug)]
pub(super) struct FileWatch {
    /// What the user calls it.
    path: PathBuf,
    /// Where it is, links followed.
    place: PathBuf,
    id: FileId,
    size: u64,
    /// When it was last written, before the run.
    written: Option<SystemTime>,
    /// Who may read and write it.
    pub(super) rights: Option<Rights>,
}

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
    /// The file that has this path now, and is at this place.
    pub(super) fn begin(path: &Path, place: &Path) -> Self {
        let metadata = fs::metadata(path).ok();
        Self {
            path: path.to_owned(),
            place: place.to_owned(),
            id: metadata.as_ref().and_then(file_id),
            size: metadata.as_ref().map_or(0, fs::Metadata::len),
            written: metadata.as_ref().and_then(|it| it.modified().ok()),
            rights: metadata.as_ref().and_then(Rights::of),
        }
    }

    /// Looks at what has this path now.
    pub(super) fn look(&mut self) -> io::Result<Found> {
        let size = match self.size_of(&self.path)? {
            Ok(size) => size,
            Err(trouble) => return Ok(Found::Lost(trouble)),
        };
        let before = std::mem::replace(&mut self.size, size);
        Ok(if size == 0 {
            Found::Lost(Trouble::Emptied)
        } else if size < before {
            Found::Shorter
        } else {
            Found::Same
        })
    }

    /// What has happened to the file at its place, whatever its path leads to.
    pub(super) fn trouble_at_its_place(&self) -> io::Result<Option<Trouble>> {
        Ok(match self.size_of(&self.place)? {
            Ok(0) => Some(Trouble::Emptied),
            found => found.err(),
        })
    }

    /// Whether the path leads to whatever is at the place of the file now.
    pub(super) fn leads_to_its_place(&self) -> bool {
        let id = |path| fs::metadata(path).ok().as_ref().and_then(file_id);
        id(&self.path) == id(&self.place)
    }

    /// The size of the file, if it has this path.
    fn size_of(&self, path: &Path) -> io::Result<Result<u64, Trouble>> {
        match fs::metadata(path) {
            Ok(metadata) if file_id(&metadata) == self.id => Ok(Ok(metadata.len())),
            Ok(_) => Ok(Err(Trouble::Replaced)),
            Err(error) if is_gone(&error) => Ok(Err(Trouble::Deleted)),
            Err(error) => Err(error),
        }
    }

    /// Whether the file itself was written since the run began. With a write-ahead log that is seldom so.
    pub(super) fn was_written(&self) -> bool {
        let metadata = fs::metadata(&self.place).ok();
        metadata.and_then(|it| it.modified().ok()) != self.written
    }
}

/// Whether there is no file of this name. A folder on the way may have become a file.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
