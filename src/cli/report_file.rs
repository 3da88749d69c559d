//! The file that a report goes to.

use std::fs::File;
use std::io;
use std::path::Path;

use super::Problem;
use crate::own_files;
use crate::report::Destination;
use crate::shell::quoted_path;

/// Makes the file new, so that an old report is never taken for that of this run.
pub(super) fn create(path: &Path) -> Result<Destination, Problem> {
    let stream: Option<Box<dyn io::Write>> = match path.to_str() {
        Some("/dev/stdout" | "/dev/fd/1") => Some(Box::new(io::stdout())),
        Some("/dev/stderr" | "/dev/fd/2") => Some(Box::new(io::stderr())),
        _ => None,
    };
    if let Some(stream) = stream {
        return Ok(Destination::stdout(stream));
    }
    let unwritable = |error: io::Error| {
        Problem::usage(format!(
            "the report cannot be written to `{}`: {error}",
            path.display()
        ))
    };
    let file = if own_files::is_stream(path) {
        File::options().write(true).open(path)
    } else {
        refuse_links(path)?;
        match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => std::fs::create_dir_all(folder),
            _ => Ok(()),
        }
        .and_then(|()| own_files::create(path))
    };
    Ok(Destination::file(path, file.map_err(unwritable)?))
}

/// Whether two reports would go to one file. Nothing is lost where that is `/dev/null`.
pub(super) fn is_same(one: &Path, other: &Path) -> bool {
    let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    one != Path::new("/dev/null") && whole(one) == whole(other)
}

/// A link may have come with a repository that nobody trusts: it must not lead a report out of there.
fn refuse_links(path: &Path) -> Result<(), Problem> {
    let Some(link) = first_link(path) else {
        return Ok(());
    };
    let target = link
        .canonicalize()
        .map(|target| match path.strip_prefix(link) {
            Ok(rest) if !rest.as_os_str().is_empty() => target.join(rest),
            _ => target,
        });
    let remove = format!("remove the link: `rm {}`", quoted_path(link));
    let link = link.display();
    Err(Problem::usage(format!(
        "the report cannot be written to `{}`: `{link}` is a symbolic link, and no report goes through one",
        path.display()
    ))
    .help(match target {
        Ok(target) => format!("{remove}; or name the place where it leads: `{}`", target.display()),
        Err(_) => remove,
    }))
}

/// The first symbolic link on the way to a file, as far as the way lies below the working folder, or is the file itself.
fn first_link(path: &Path) -> Option<&Path> {
    let here = std::env::current_dir().unwrap_or_default();
    let is_below = |way: &Path| way.is_relative() || (way != here && way.starts_with(&here));
    path.ancestors()
        .filter(|way| *way == path || is_below(way))
        .filter(|way| way.is_symlink())
        .last()
}
