//! What a safety copy is a copy of: a small file beside it, so that the copy is never put into another database.

use std::fs::{self, Metadata};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::own_files;

/// What the copy of a run was taken from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CopyNote {
    /// The run that made it; the journal in the database says the same.
    pub(super) run: String,
    /// Where the database was, links followed.
    pub(super) file: String,
    id: FileId,
    /// Who may read and write the database.
    pub(super) rights: Option<Rights>,
}

/// What tells a file from another one that takes its name; `None` where nothing does.
pub(super) type FileId = Option<(u64, u64)>;

impl CopyNote {
    /// Of a database as it is now, for a run.
    pub(super) fn of(run: &str, database: &Path) -> Self {
        let metadata = fs::metadata(database).ok();
        Self {
            run: run.to_owned(),
            file: place(database),
            id: metadata.as_ref().and_then(file_id),
            rights: metadata.as_ref().and_then(Rights::of),
        }
    }

    /// Whether the copy may have been taken from the file that has this path: that file, or the one that had its place.
    pub(super) fn is_of(&self, database: &Path) -> bool {
        let there = fs::metadata(database).ok();
        self.file == place(database)
            || self.id.is_some() && self.id == there.as_ref().and_then(file_id)
    }

    /// Writes it, for this user alone.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = own_files::create(path)?;
        file.write_all(serde_json::to_string(self)?.as_bytes())?;
        file.sync_all()
    }

    /// Reads it.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let mut text = String::new();
        own_files::open(path)?
            .take(MOST)
            .read_to_string(&mut text)?;
        Ok(serde_json::from_str(&text)?)
    }
}

/// Longer than any note, in bytes.
const MOST: u64 = 64 << 10;

/// Where a database is, links followed, as text.
pub(super) fn place(database: &Path) -> String {
    own_files::resolved(database).to_string_lossy().into_owned()
}

/// Owner and mode of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rights {
    mode: u32,
    user: u32,
    group: u32,
}

#[cfg(unix)]
impl Rights {
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere there are none")]
    pub(super) fn of(metadata: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        Some(Self {
            mode: metadata.mode() & 0o7777,
            user: metadata.uid(),
            group: metadata.gid(),
        })
    }

    /// Gives them to a file. Only the superuser can give a file to others: whoever else makes it keeps it, and then the
    /// rights of the former group are given to nobody.
    pub(super) fn give(self, path: &Path) -> io::Result<()> {
        use std::os::unix::fs::{PermissionsExt as _, chown};
        let mode = match chown(path, Some(self.user), Some(self.group)) {
            Ok(()) => self.mode,
            Err(_) if chown(path, None, Some(self.group)).is_ok() => self.mode,
            Err(_) => self.mode & !0o070,
        };
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    }
}

#[cfg(not(unix))]
impl Rights {
    pub(super) fn of(_metadata: &Metadata) -> Option<Self> {
        None
    }

    pub(super) fn give(self, _path: &Path) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere there is none")]
pub(super) fn file_id(metadata: &Metadata) -> FileId {
    use std::os::unix::fs::MetadataExt as _;
    Some((metadata.dev(), metadata.ino()))
}

/// Elsewhere a file that somebody has open cannot be replaced.
#[cfg(not(unix))]
pub(super) fn file_id(_metadata: &Metadata) -> FileId {
    None
}
