//! Reading run logs.

use super::Entry;
use crate::report::Run;

/// A log that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{name}:{line}: {message}")]
pub struct LogError {
    /// As the file was named.
    pub name: String,
    /// Line in the file, from 1.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
    /// What to do.
    pub help: &'static str,
}

/// The runs of a log; several where several specs were explored in one go. The last line may be cut off, for the run may
/// have been killed while it was written.
pub fn read(name: &str, text: &str) -> Result<Vec<Run>, LogError> {
    let wrong = |line: usize, message: String| LogError {
        name: name.to_owned(),
        line,
        message,
        help: "`venomqa explore --report log=PATH` writes a run log",
    };
    let mut runs: Vec<Run> = Vec::new();
    let mut lines = text.split_inclusive('\n').enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        let number = index + 1;
        if line.trim().is_empty() {
            continue;
        }
        let entry: Entry = match serde_json::from_str(line) {
            Ok(entry) => entry,
            Err(_) if lines.peek().is_none() && !line.ends_with('\n') && !runs.is_empty() => break,
            Err(error) => {
                return Err(wrong(
                    number,
                    format!("this is no line of a run log: {error}"),
                ));
            }
        };
        match (entry, runs.last_mut()) {
            (Entry::Started(started), _) if started.version != super::VERSION => {
                return Err(wrong(
                    number,
                    format!(
                        "the log has format {}, this venomqa reads format {}",
                        started.version,
                        super::VERSION
                    ),
                ));
            }
            (Entry::Started(started), _) => runs.push(Run::begun(*started)),
            (entry, Some(run)) => run.add(entry),
            (_, None) => {
                return Err(wrong(
                    number,
                    "a run log begins with an entry `started`".to_owned(),
                ));
            }
        }
    }
    if runs.is_empty() {
        return Err(wrong(1, "there is no run in it".to_owned()));
    }
    Ok(runs)
}
