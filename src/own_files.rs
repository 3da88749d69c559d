//! Files that venomqa makes, and looks for, in folders of others.
//!
//! What lies there may have come with a repository that nobody trusts. So no symbolic link is followed, no pipe or device is
//! opened, which could block for ever, and what is made is made new and for this user alone.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Makes a file for writing, in the place of an older one.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    if look(path)? {
        fs::remove_file(path)?;
    }
    options().write(true).create_new(true).open(path)
}

/// Opens a file for reading.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    look(path)?;
    opened(options().read(true), path)
}

/// Opens a file for reading and writing, and makes it where there is none. A file that has a second name is refused: whoever
/// writes to it writes to another file as well.
pub(crate) fn open_or_create(path: &Path) -> io::Result<File> {
    look(path)?;
    let file = opened(options().read(true).write(true).create(true), path)?;
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::nlink(&file.metadata()?) > 1 {
        return Err(refused("a hard link to another file"));
    }
    Ok(file)
}

/// Opens a file that the user has named: links are followed. A pipe or a device is opened only where the system itself has
/// such names, for example `/dev/stdin` or `/dev/fd/63`.
pub(crate) fn open_named(path: &Path) -> io::Result<File> {
    if !is_stream(path) {
        refuse_special(&fs::metadata(path)?)?;
    }
    File::open(path)
}

/// Whether the system has this name for a pipe or a device.
pub(crate) fn is_stream(path: &Path) -> bool {
    let is_below = |folder| path.starts_with(folder);
    cfg!(unix) && (is_below("/dev") && !is_below("/dev/shm") || is_below("/proc/self/fd"))
}

/// Refuses a path that is a symbolic link.
pub(crate) fn refuse_link(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => Err(refused("a symbolic link")),
        _ => Ok(()),
    }
}

/// The path beside a file that is called like it, with an ending: the same one by whichever name the file was given.
pub(crate) fn beside(file: &Path, ending: &str) -> PathBuf {
    with_ending(&resolved(file), ending)
}

/// Makes a file for writing beside another one, under the first name that nothing has: `FILE` with the ending, then with a number
/// behind that.
pub(crate) fn create_beside(file: &Path, ending: &str) -> io::Result<(PathBuf, File)> {
    let first = beside(file, ending);
    let mut number = 1;
    loop {
        let path = if number == 1 {
            first.clone()
        } else {
            with_ending(&first, &format!("-{number}"))
        };
        match options().write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            made => return made.map(|made| (path, made)),
        }
    }
}

/// Where a file is, links followed; also where links lead to nothing.
pub(crate) fn resolved(file: &Path) -> PathBuf {
    if let Ok(path) = fs::canonicalize(file) {
        return path;
    }
    let mut path = file.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(target) = fs::read_link(&path) else {
            break;
        };
        path = folder(&path).join(target);
    }
    match (fs::canonicalize(folder(&path)), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path,
    }
}

/// How many links in a row are followed, as by Linux.
const MOST_LINKS: usize = 40;

/// The folder that a file is in.
pub(crate) fn folder(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn with_ending(file: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(ending);
    name.into()
}

/// Whether there is something, which must be a file.
fn look(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => refuse_special(&metadata).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// What was looked at may have been replaced since.
fn opened(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let file = options.open(path)?;
    refuse_special(&file.metadata()?)?;
    Ok(file)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        options.mode(0o600).custom_flags(flags.bits().cast_signed());
    }
    options
}

fn refuse_special(metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok(());
    }
    Err(refused(if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_dir() {
        "a folder"
    } else {
        "a pipe, a socket or a device"
    }))
}

fn refused(what: &str) -> io::Error {
    io::Error::other(format!("it is {what}, which venomqa does not open here"))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("private"), "private").unwrap();
        folder
    }

    #[test]
    fn a_file_is_made_new_for_this_user_alone_and_other_names_of_the_old_one_keep_its_content() {
        let folder = folder();
        let (private, link) = (folder.path().join("private"), folder.path().join("link"));
        fs::hard_link(&private, &link).unwrap();
        create(&link).unwrap().write_all(b"new").unwrap();
        assert_eq!(fs::read_to_string(&private).unwrap(), "private");
        assert_eq!(fs::read_to_string(&link).unwrap(), "new");
        let mode = fs::metadata(&link).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_is_beside_a_file_is_so_by_every_name_also_when_the_file_is_gone() {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("real")).unwrap();
        symlink("real/file", at("link")).unwrap();
        symlink("link", at("second")).unwrap();
        let expected = fs::canonicalize(at("real")).unwrap().join("file.copy");
        for is_there in [false, true] {
            if is_there {
                fs::write(at("real/file"), "").unwrap();
            }
            for name in ["real/file", "link", "second", "real/../link"] {
                assert_eq!(beside(&at(name), ".copy"), expected, "{name}");
            }
        }
        let (first, _) = create_beside(&at("link"), ".copy").unwrap();
        assert_eq!(first, expected);
        symlink("nothing", at("real/file.copy-2")).unwrap();
        let (third, _) = create_beside(&at("link"), ".copy").unwrap();
        assert!(third.ends_with("file.copy-3"), "{third:?}");
    }

    #[test]
    fn what_is_no_file_of_its_own_is_refused_at_once() {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        symlink("private", at("link")).unwrap();
        symlink("nothing", at("dangling")).unwrap();
        fs::create_dir(at("folder")).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(at("pipe"))
            .status();
        assert!(made.unwrap().success());
        for name in ["link", "dangling", "folder", "pipe"] {
            for open in [create, open, open_or_create] {
                open(&at(name)).unwrap_err();
            }
        }
        open_named(&at("pipe")).unwrap_err();
        open_named(&at("link")).unwrap();
        fs::hard_link(at("private"), at("second")).unwrap();
        open_or_create(&at("second")).unwrap_err();
        assert!(!at("nothing").exists());
        assert_eq!(fs::read_to_string(at("private")).unwrap(), "private");
    }
}
