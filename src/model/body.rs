//! A body as it came, as text, and as JSON.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Digest, any_order, json};

/// The body of a request or an answer. JSON is parsed once, at its first use.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Body {
    /// The bytes that are kept.
    pub bytes: Arc<[u8]>,
    /// How many bytes there were; more than are kept when the body was cut.
    pub length: u64,
    content: Content,
    #[serde(skip)]
    json: OnceLock<Result<Arc<Value>, NoJson>>,
}

/// Why a body is not read as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoJson {
    /// There is no body.
    Empty,
    /// It is a page, a picture or another thing that is not meant to be JSON.
    Other,
    /// It should be JSON, but is not: what is wrong, and where.
    Unreadable(String),
}

impl NoJson {
    /// Why there is no JSON, as a clause.
    pub fn in_words(&self) -> String {
        match self {
            Self::Empty => "the body is empty".to_owned(),
            Self::Other => "the body is not JSON".to_owned(),
            Self::Unreadable(why) => format!("the body cannot be read as JSON: {why}"),
        }
    }
}

/// What the headers say about a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    charset: Option<&'static Encoding>,
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Format {
    /// The headers do not say.
    #[default]
    Unknown,
    /// JSON, or of a type that is written in JSON.
    Json,
    /// One JSON text after another: NDJSON and the like.
    JsonLines,
    /// Anything else.
    Other,
}

impl Content {
    fn of(content_type: Option<&str>) -> Self {
        let Some(content_type) = content_type else {
            return Self::default();
        };
        let mut parts = content_type.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let format = if ["ndjson", "jsonl", "jsonlines", "json-seq", "json-lines"]
            .iter()
            .any(|name| kind.ends_with(name))
        {
            Format::JsonLines
        } else if kind.ends_with("json") {
            Format::Json
        } else if ["", "text/plain", "application/octet-stream"].contains(&&*kind) {
            Format::Unknown
        } else {
            Format::Other
        };
        let charset = parts
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
            .and_then(|(_, label)| Encoding::for_label(label.trim_matches('"').trim().as_bytes()));
        Self { charset, format }
    }
}

impl Body {
    /// A whole body of which no header says what it is.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self {
            length: bytes.len() as u64,
            bytes,
            ..Self::default()
        }
    }

    /// The first part of a body of this length.
    pub fn cut_at(bytes: impl Into<Arc<[u8]>>, length: u64) -> Self {
        Self {
            length,
            ..Self::new(bytes)
        }
    }

    /// The same body, of which the header `Content-Type` says this.
    #[must_use]
    pub fn of_type(self, content_type: Option<&str>) -> Self {
        Self {
            content: Content::of(content_type),
            json: OnceLock::new(),
            ..self
        }
    }

    /// The first `kept` bytes of it.
    #[must_use]
    pub(super) fn cut(&self, kept: usize) -> Self {
        Self {
            content: self.content,
            ..Self::cut_at(&self.bytes[..kept.min(self.bytes.len())], self.length)
        }
    }

    /// Whether bytes are missing.
    pub fn is_cut(&self) -> bool {
        self.length > self.bytes.len() as u64
    }

    /// The body as JSON; `None` when it is empty, cut, or not JSON.
    pub fn json(&self) -> Option<&Arc<Value>> {
        self.read_json().ok()
    }

    /// A digest of the body, in which the order of JSON lists does not count.
    pub(crate) fn digest_in_any_order(&self) -> Digest {
        match self.json() {
            Some(json) => any_order::digest(json),
            None => Digest::from_hash(&blake3::hash(&self.bytes)),
        }
    }

    /// The body as JSON, or why there is none.
    pub fn read_json(&self) -> Result<&Arc<Value>, &NoJson> {
        self.json
            .get_or_init(|| self.parse().map(Arc::new))
            .as_ref()
    }

    fn parse(&self) -> Result<Value, NoJson> {
        if self.length == 0 {
            return Err(NoJson::Empty);
        }
        if self.is_cut() {
            return Err(self.unreadable(format!(
                "its {} bytes are more than `http.max_body`",
                self.length
            )));
        }
        let text = self.text();
        let text = text.trim_start_matches('\u{feff}');
        if self.content.format == Format::JsonLines {
            return json::parse_lines(text).map_err(NoJson::Unreadable);
        }
        json::parse(text).map_err(|why| match text.trim() {
            "" => NoJson::Empty,
            _ => self.unreadable(why),
        })
    }

    /// Whether somebody has to know that this body could not be read. What looks like JSON was meant to be it.
    fn unreadable(&self, why: String) -> NoJson {
        let looks_like_json = || {
            let text = self.text();
            text.trim_start().starts_with(['{', '['])
        };
        match self.content.format {
            Format::Json | Format::JsonLines => NoJson::Unreadable(why),
            // Many a service sends JSON and says that it is HTML.
            Format::Unknown | Format::Other if looks_like_json() => NoJson::Unreadable(why),
            Format::Unknown | Format::Other => NoJson::Other,
        }
    }

    /// The body as text, without a byte order mark: in the charset that it names, in UTF-8 or UTF-16 where it is that, else in
    /// Windows-1252, the superset of Latin-1 that browsers assume. Of a binary body the text is as good as any.
    pub fn text(&self) -> Cow<'_, str> {
        let encoding = Encoding::for_bom(&self.bytes)
            .map(|(encoding, _)| encoding)
            .or(self.content.charset)
            .unwrap_or_else(|| self.guessed_encoding());
        encoding.decode(&self.bytes).0
    }

    fn guessed_encoding(&self) -> &'static Encoding {
        match &*self.bytes {
            // JSON begins with two letters of ASCII (RFC 4627, 3).
            [0, 1..=u8::MAX, ..] => return UTF_16BE,
            [1..=u8::MAX, 0, ..] => return UTF_16LE,
            _ => {}
        }
        match std::str::from_utf8(&self.bytes) {
            Ok(_) => UTF_8,
            // The last letter was cut off.
            Err(error) if self.is_cut() && error.error_len().is_none() => UTF_8,
            Err(_) => WINDOWS_1252,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(bytes: &[u8], content_type: &str) -> Body {
        Body::new(bytes).of_type(Some(content_type))
    }

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn json_is_read_in_whatever_encoding_it_comes() {
        let wanted = json!({ "id": 7, "n": "é" });
        let text = r#"{"id": 7, "n": "é"}"#;
        let latin = [&b"{\"id\": 7, \"n\": \""[..], b"\xe9", b"\"}"].concat();
        let marked = [b"\xff\xfe".to_vec(), utf16(text)].concat();
        for (bytes, content_type) in [
            (text.as_bytes().to_vec(), "application/json"),
            (format!("\u{feff}{text}").into_bytes(), "application/json"),
            (latin.clone(), "application/json; charset=\"ISO-8859-1\""),
            (latin, "application/json"),
            (utf16(text), "application/json; charset=utf-16"),
            (utf16(text), "application/json"),
            (marked, "application/problem+json"),
            (text.as_bytes().to_vec(), "text/html"),
        ] {
            let body = body(&bytes, content_type);
            assert_eq!(**body.json().unwrap(), wanted, "{content_type}: {bytes:?}");
        }
        let lines = body(b"{\"a\":1}\n\n[2]\r\n", "application/x-ndjson");
        assert_eq!(**lines.json().unwrap(), json!([{ "a": 1 }, [2]]));
    }

    #[test]
    fn a_body_that_should_be_json_and_is_not_says_where_and_why() {
        for (text, content_type, why) in [
            (
                "{\"a\": 1} {\"a\": 2}",
                "application/json",
                "trailing characters at line 1 column 10",
            ),
            (
                "<html>",
                "application/json",
                "expected value at line 1 column 1",
            ),
            (
                "{\"a\": NaN}",
                "text/html",
                "expected value at line 1 column 7",
            ),
            (
                "[1, 2",
                "text/plain",
                "EOF while parsing a list at line 1 column 5",
            ),
            (
                "{\"a\": 1}\n{\"a\" 2}",
                "application/jsonl",
                "line 2: expected `:` at line 1 column 6",
            ),
        ] {
            let body = body(text.as_bytes(), content_type);
            assert_eq!(
                body.read_json().unwrap_err(),
                &NoJson::Unreadable(why.to_owned()),
                "{text}"
            );
        }
        let cut = Body::cut_at(*b"[1", 90).of_type(Some("application/json"));
        assert!(
            matches!(cut.read_json(), Err(NoJson::Unreadable(why)) if why.contains("90 bytes"))
        );
    }

    #[test]
    fn what_is_not_meant_to_be_json_is_no_unreadable_json() {
        for (text, content_type) in [
            ("<html>", "text/html"),
            ("ready", "text/plain"),
            ("a,b\n1,2", "text/csv"),
            ("PNG", "application/octet-stream"),
        ] {
            let body = body(text.as_bytes(), content_type);
            assert_eq!(body.read_json().unwrap_err(), &NoJson::Other, "{text}");
        }
        assert_eq!(Body::new(*b"").read_json().unwrap_err(), &NoJson::Empty);
        assert_eq!(Body::new(*b" \n").read_json().unwrap_err(), &NoJson::Empty);
    }
}
