//! What a request sends as it is: files, and the parts of a form.

use std::fs::File;
use std::io::{self, Read as _};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use indexmap::IndexMap;

use super::Lowering;
use crate::diagnostic::{Code, Diagnostic, Path};
use crate::model::{Bytes, Part, PartContent};
use crate::spec::document::{Part as WrittenPart, Parts};
use crate::spec::names::Scope;

/// Bytes of a file that is sent: as many as a filled template may have.
const LARGEST: u64 = 64 << 20;

/// What a file is of which nothing else is known.
const UNKNOWN: &str = "application/octet-stream";

impl Lowering<'_> {
    pub(super) fn multipart(
        &mut self,
        at: &Path,
        parts: &IndexMap<String, Parts>,
        scope: Scope<'_>,
    ) -> Vec<Part> {
        let mut all = Vec::new();
        for (name, parts) in parts {
            for (at, part) in parts.at(&at.key(name)) {
                if let Some(content) = self.part(&at, part, scope) {
                    all.push(Part {
                        name: name.clone(),
                        filename: filename(part),
                        content,
                    });
                }
            }
        }
        all
    }

    fn part(&mut self, at: &Path, part: &WrittenPart, scope: Scope<'_>) -> Option<PartContent> {
        let content_type = part.content_type.clone();
        match (&part.text, &part.file) {
            (Some(text), None) => {
                let at = if part.short {
                    at.clone()
                } else {
                    at.key("text")
                };
                let text = self.compiler.template(&at, &text.0, scope);
                Some(PartContent::Text(text, content_type))
            }
            (None, Some(file)) => {
                let bytes = self.file(&at.key("file"), file)?;
                let content_type = content_type.unwrap_or(bytes.content_type);
                Some(PartContent::File(Bytes {
                    content_type,
                    ..bytes
                }))
            }
            (Some(_), Some(_)) => {
                let message = "a part holds a text or a file, not both";
                self.at_key(at, "", Diagnostic::error(Code::Contradiction, message));
                None
            }
            (None, None) => {
                if !self.compiler.problems.is_broken(at) {
                    let message = format!("`{at}` lacks `text` or `file`");
                    self.at_key(at, "", Diagnostic::error(Code::MissingKey, message));
                }
                None
            }
        }
    }

    /// Reads a file that is sent. Its content is part of the spec, so it is read once.
    pub(super) fn file(&mut self, at: &Path, file: &str) -> Option<Bytes> {
        let file = self.compiler.constant_text(at, file);
        let path = self.base_dir.join(&file);
        match read(&path) {
            Ok(bytes) => {
                let content_type = mime_guess::from_path(&path).first_raw().unwrap_or(UNKNOWN);
                Some(Bytes {
                    bytes: bytes.into(),
                    content_type: content_type.to_owned(),
                })
            }
            Err(error) => {
                self.at_value(
                    at,
                    "",
                    Diagnostic::error(Code::CannotRead, format!("cannot read `{file}`: {error}"))
                        .help("paths start at the folder of the spec"),
                );
                None
            }
        }
    }

    pub(super) fn base64(&mut self, at: &Path, text: &str) -> Option<Bytes> {
        let text = self.compiler.constant_text(at, text);
        let digits: String = text.split_whitespace().collect();
        match BASE64_STANDARD.decode(digits) {
            Ok(bytes) => Some(Bytes {
                bytes: Arc::from(bytes),
                content_type: UNKNOWN.to_owned(),
            }),
            Err(error) => {
                let message = format!("this is no base64: {error}");
                self.at_value(at, "", Diagnostic::error(Code::BadValue, message));
                None
            }
        }
    }
}

/// The content of a regular file: reading a pipe or a device may never end.
fn read(path: &std::path::Path) -> io::Result<Vec<u8>> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    if metadata.len() > LARGEST {
        return Err(io::Error::other(format!(
            "it is larger than {} MB",
            LARGEST >> 20
        )));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The name as which a part is sent: that which the spec says, or the own one of its file.
fn filename(part: &WrittenPart) -> Option<String> {
    let own = part.file.as_ref().map(|file| {
        let own = std::path::Path::new(file).file_name().unwrap_or_default();
        own.to_string_lossy().into_owned()
    });
    part.filename.clone().or(own)
}
