//! Reading run logs: line by line, so that a log may be longer than what fits into memory.

use std::io::BufRead;

use crate::event::{Event, VERSION};
use crate::model::json;

/// A log that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{name}:{line}: {message}")]
pub struct LogError {
    /// Path of the file, as the user wrote it.
    pub name: String,
    /// Line in the file, from 1.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
    /// What to do.
    pub help: &'static str,
}

/// The first line of a log: it names the format and may hold more.
#[derive(serde::Deserialize)]
struct Head {
    event: String,
    version: Option<u32>,
}

/// Reads a log to its end and hands out its entries one by one. The last line may be cut off, for the run may have been
/// killed while it was written.
pub fn read(
    name: &str,
    mut reader: impl BufRead,
    mut take: impl FnMut(Event),
) -> Result<(), LogError> {
    let mut number = 0;
    let mut begun = false;
    let wrong = |line: usize, message: String| LogError {
        name: name.to_owned(),
        line,
        message,
        help: "`venomqa explore --report log=PATH` writes a run log",
    };
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = reader
            .read_until(b'\n', &mut line)
            .map_err(|error| wrong(number + 1, error.to_string()))?;
        if length == 0 {
            break;
        }
        number += 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        if let Some(message) = other_version(&line) {
            return Err(LogError {
                help: "read it with the venomqa that wrote it, or a newer one",
                ..wrong(number, message)
            });
        }
        let entry: Event = match json::read_own(&line) {
            Ok(entry) => entry,
            // Without its end, the last line of a run that was killed.
            Err(_) if begun && !line.ends_with(b"\n") => break,
            Err(error) => {
                return Err(wrong(
                    number,
                    format!("this is no line of a run log: {}", in_column(&error)),
                ));
            }
        };
        if !begun && !matches!(entry, Event::Started(_)) {
            return Err(wrong(
                number,
                "a run log begins with an entry `started`".to_owned(),
            ));
        }
        begun = true;
        take(entry);
    }
    if begun {
        Ok(())
    } else {
        Err(wrong(number.max(1), "there is no run in it".to_owned()))
    }
}

/// What is wrong with the version of a log; `None` where the version is right or the line does not name one.
fn other_version(line: &[u8]) -> Option<String> {
    // Only this event holds the version, so it alone is parsed twice.
    let head = line
        .starts_with(br#"{"event":"started""#)
        .then(|| serde_json::from_slice::<Head>(line).ok())??;
    let version = head.version.filter(|_| head.event == "started")?;
    if version == VERSION {
        return None;
    }
    let by = if version > VERSION {
        "it was written by a newer venomqa"
    } else {
        "it was written by an older venomqa"
    };
    Some(format!(
        "the log has format {version}, this venomqa reads format {VERSION}: {by}"
    ))
}

/// The error without the line that serde counts: each line of a log is a text of its own.
fn in_column(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&place) {
        Some(said) if error.column() > 0 => format!("{said} in column {}", error.column()),
        _ => text,
    }
}
