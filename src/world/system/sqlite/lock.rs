//! One run at a time on one database, by whichever name it goes.
//!
//! Lock files are held with advisory locks for as long as the run lives. The kernel releases them when the process ends,
//! however it ends, so a killed run never has to be told apart from a living one by its process number. One lies beside the
//! database, where every user and every machine that shares the folder meets it; symbolic links lead to the same one. Another
//! is called after device and inode: hard links, bind mounts and spellings of a name meet there, and on Linux all users of the
//! machine meet at a name of the kernel that is called so. The database file itself is never opened here: closing it would drop SQLite's own locks on it.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::own_files;
use crate::world::{WorldError, WorldErrorKind};

/// Held while a run may change the database. Dropping it releases the lock and removes its files.
#[derive(Debug)]
pub(super) struct RunLock {
    _held: Vec<LockFile>,
    _name: Option<Name>,
}

impl RunLock {
    /// Takes the lock, or says which process holds it. A holder that has ended may be held on to for a moment by a process
    /// that it was about to start.
    pub(super) fn acquire(database: &Path) -> Result<Self, WorldError> {
        let mut attempts = 0;
        loop {
            match Self::try_acquire(database) {
                Err(Taken::Held(_)) if attempts < ATTEMPTS => {}
                Err(Taken::Held(error) | Taken::Failed(error)) => return Err(error),
                Ok(lock) => return Ok(lock),
            }
            attempts += 1;
            std::thread::sleep(PAUSE);
        }
    }

    fn try_acquire(database: &Path) -> Result<Self, Taken> {
        let beside = own_files::beside(database, ".venomqa-lock");
        let by_file = by_file(database);
        let files = std::iter::once(beside)
            .chain(by_file)
            .map(|path| LockFile::acquire(path, database))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            _held: files,
            _name: by_name(database)?,
        })
    }
}

/// How often a lock is tried again, and how long after.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(10);

/// Why a lock could not be taken.
#[derive(Debug)]
enum Taken {
    /// Somebody holds it.
    Held(WorldError),
    /// Nobody can take it.
    Failed(WorldError),
}

#[derive(Debug)]
struct LockFile {
    path: PathBuf,
    _file: File,
}

impl LockFile {
    fn acquire(path: PathBuf, database: &Path) -> Result<Self, Taken> {
        let failed = |error: &io::Error| Taken::Failed(cannot_lock(&path, error));
        loop {
            let mut file = own_files::open_or_create(&path).map_err(|error| failed(&error))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(Taken::Held(held(database, &mut file)));
                }
                Err(TryLockError::Error(error)) => return Err(failed(&error)),
            }
            // The holder before us removes the file while it still has the lock: what we locked may have no name any more.
            if !is_named(&file, &path) {
                continue;
            }
            file.set_len(0)
                .and_then(|()| file.write_all(std::process::id().to_string().as_bytes()))
                .map_err(|error| failed(&error))?;
            return Ok(Self { path, _file: file });
        }
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // Nothing to be done where it fails: an unlocked file holds nobody up.
        let _ = fs::remove_file(&self.path);
    }
}

/// The lock file that is called after device and inode, in a folder of this user that does not depend on the environment.
/// `None` where there can be no such folder, or where somebody else has taken its name: then the other lock must do.
#[cfg(unix)]
fn by_file(database: &Path) -> Option<PathBuf> {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
    let file = fs::metadata(database).ok()?;
    let user = rustix::process::geteuid().as_raw();
    let folder = PathBuf::from(format!("/tmp/venomqa-{user}"));
    // It may exist already.
    let _ = fs::DirBuilder::new().mode(0o700).create(&folder);
    let metadata = fs::symlink_metadata(&folder).ok()?;
    let is_ours = metadata.is_dir() && metadata.uid() == user && metadata.mode() & 0o022 == 0;
    is_ours.then(|| folder.join(format!("{}-{}.lock", file.dev(), file.ino())))
}

#[cfg(not(unix))]
fn by_file(_database: &Path) -> Option<PathBuf> {
    None
}

/// The kernel knows who holds it, and it is gone with its holder. It is no file, and nobody connects to it.
#[cfg(target_os = "linux")]
type Name = std::os::unix::net::UnixListener;

#[cfg(not(target_os = "linux"))]
type Name = std::convert::Infallible;

/// Takes the name that is called after device and inode. `None` where there can be no such name: then the files must do.
#[cfg(target_os = "linux")]
fn by_name(database: &Path) -> Result<Option<Name>, Taken> {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::fs::MetadataExt as _;
    use std::os::unix::net::SocketAddr;
    let Ok(file) = fs::metadata(database) else {
        return Ok(None);
    };
    let name = format!("venomqa-{}-{}", file.dev(), file.ino());
    match SocketAddr::from_abstract_name(name).and_then(|address| Name::bind_addr(&address)) {
        Ok(name) => Ok(Some(name)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            Err(Taken::Held(in_use(database, "")))
        }
        Err(_) => Ok(None),
    }
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it may be taken")]
fn by_name(_database: &Path) -> Result<Option<Name>, Taken> {
    Ok(None)
}

#[cfg(unix)]
fn is_named(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(ours), Ok(named)) => ours.ino() == named.ino() && ours.dev() == named.dev(),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_named(_file: &File, path: &Path) -> bool {
    path.exists()
}

fn cannot_lock(path: &Path, error: &io::Error) -> WorldError {
    let shown = path.display();
    let help = match error.kind() {
        io::ErrorKind::PermissionDenied if path.exists() => format!(
            "it belongs to another user, whose run goes on or was killed: let that user run `venomqa restore`, or remove the \
             file once no run goes on: `rm {shown}`"
        ),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "the folder of the database must be writable for this user: SQLite and venomqa keep files there during a run"
                .to_owned()
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space, then run it again".to_owned()
        }
        io::ErrorKind::Other => format!("nothing of venomqa is like that: look what it is, then remove it: `rm {shown}`"),
        _ => "venomqa keeps this file during a run, so that no second run gets at the database".to_owned(),
    };
    WorldError::new(
        WorldErrorKind::System,
        format!("cannot take the lock file `{shown}`: {error}"),
    )
    .with_help(help)
}

fn held(database: &Path, file: &mut File) -> WorldError {
    let mut process = String::new();
    let known = file.rewind().is_ok() && file.read_to_string(&mut process).is_ok();
    let holder = match process.trim() {
        number if known && !number.is_empty() => format!(" (process {number})"),
        _ => String::new(),
    };
    in_use(database, &holder)
}

fn in_use(database: &Path, holder: &str) -> WorldError {
    WorldError::new(
        WorldErrorKind::System,
        format!(
            "another venomqa run{holder} is using the database `{}`",
            database.display()
        ),
    )
    .with_help("wait for it to end, or give each run a database of its own, for example below `${workdir}`")
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn one_file_has_one_lock_whatever_it_is_called() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a.db"), "").unwrap();
        fs::write(at("other.db"), "").unwrap();
        fs::create_dir(at("sub")).unwrap();
        symlink("a.db", at("link.db")).unwrap();
        symlink("../sub", at("sub/loop")).unwrap();
        fs::hard_link(at("a.db"), at("sub/hard.db")).unwrap();
        let names = [
            "a.db",
            "link.db",
            "sub/../a.db",
            "sub/loop/../a.db",
            "sub/hard.db",
        ];
        for first in names {
            let lock = RunLock::acquire(&at(first)).unwrap();
            for second in names {
                let error = RunLock::acquire(&at(second)).unwrap_err();
                let holder = format!("(process {})", std::process::id());
                assert!(error.message.contains(&holder), "{}", error.message);
            }
            drop(RunLock::acquire(&at("other.db")).unwrap());
            drop(lock);
            let left = fs::read_dir(folder.path()).unwrap().count();
            assert_eq!(left, 4, "no lock file is left");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_run_of_another_user_by_another_name_is_met() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a.db"), "").unwrap();
        fs::hard_link(at("a.db"), at("b.db")).unwrap();
        // Another user has other lock files, as if these were not there.
        let theirs = by_name(&at("a.db")).unwrap();
        let error = RunLock::acquire(&at("b.db")).unwrap_err();
        assert!(
            error.message.contains("another venomqa run"),
            "{}",
            error.message
        );
        drop(theirs);
        drop(RunLock::acquire(&at("b.db")).unwrap());
    }

    #[test]
    fn a_lock_file_that_leads_elsewhere_is_refused_and_what_it_leads_to_stays() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a.db"), "").unwrap();
        fs::write(at("private"), "private").unwrap();
        for link in [fs::hard_link::<PathBuf, PathBuf>, |to, at| symlink(to, at)] {
            link(at("private"), at("a.db.venomqa-lock")).unwrap();
            let error = RunLock::acquire(&at("a.db")).unwrap_err();
            assert!(error.message.contains("link"), "{}", error.message);
            assert_eq!(fs::read_to_string(at("private")).unwrap(), "private");
            fs::remove_file(at("a.db.venomqa-lock")).unwrap();
        }
    }
}
