//! The body of a request, and the content type that goes with it.

use std::borrow::Cow;

use url::form_urlencoded;

use super::{Filler, unfilled};
use crate::model::{BodyTemplate, Part, PartContent};

/// What is sent, and what it is.
pub(super) struct RenderedBody {
    pub(super) bytes: Vec<u8>,
    pub(super) content_type: Cow<'static, str>,
}

/// Fills a body; `None` where the request has none.
pub(super) fn body(
    template: &BodyTemplate,
    filler: &mut Filler<'_>,
) -> Result<Option<RenderedBody>, String> {
    let (bytes, content_type) = match template {
        BodyTemplate::None => return Ok(None),
        BodyTemplate::Json(json) => {
            let value = json
                .evaluate(filler.values)
                .map_err(|error| unfilled("json", &error))?;
            let text = value.to_string();
            filler.count("json", text.len())?;
            (text.into_bytes(), "application/json".into())
        }
        BodyTemplate::Form(fields) => {
            let mut form = form_urlencoded::Serializer::new(String::new());
            for (name, value) in fields {
                for value in filler.fill_each("form", value)? {
                    form.append_pair(name, &value);
                }
            }
            (
                form.finish().into_bytes(),
                "application/x-www-form-urlencoded".into(),
            )
        }
        BodyTemplate::Multipart(parts) => multipart(parts, filler)?,
        BodyTemplate::Text(text) => (filler.fill("text", text)?.into_bytes(), "text/plain".into()),
        BodyTemplate::Bytes(bytes) => {
            filler.count("file", bytes.bytes.len())?;
            (bytes.bytes.to_vec(), bytes.content_type.clone().into())
        }
    };
    Ok(Some(RenderedBody {
        bytes,
        content_type,
    }))
}

/// A body of several parts (RFC 7578). What separates them follows from what they hold, so that two runs send the same bytes.
fn multipart(
    parts: &[Part],
    filler: &mut Filler<'_>,
) -> Result<(Vec<u8>, Cow<'static, str>), String> {
    let mut filled = Vec::with_capacity(parts.len());
    let mut hash = blake3::Hasher::new();
    for part in parts {
        let (head, content): (String, Cow<'_, [u8]>) = match &part.content {
            PartContent::Text(text, content_type) => (
                head(part, content_type.as_deref()),
                filler.fill("multipart", text)?.into_bytes().into(),
            ),
            PartContent::File(bytes) => {
                filler.count("multipart", bytes.bytes.len())?;
                (
                    head(part, Some(&bytes.content_type)),
                    (&*bytes.bytes).into(),
                )
            }
        };
        hash.update(head.as_bytes()).update(&content);
        filled.push((head, content));
    }
    let boundary = format!("venomqa-{}", &hash.finalize().to_hex()[..32]);
    let mut body = Vec::new();
    for (head, content) in filled {
        body.extend_from_slice(format!("--{boundary}\r\n{head}\r\n").as_bytes());
        body.extend_from_slice(&content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok((
        body,
        format!("multipart/form-data; boundary={boundary}").into(),
    ))
}

fn head(part: &Part, content_type: Option<&str>) -> String {
    let name = in_quotes(&part.name);
    let file = part.filename.as_deref().map_or_else(String::new, |file| {
        format!("; filename=\"{}\"", in_quotes(file))
    });
    let typed = content_type.map_or_else(String::new, |content_type| {
        format!("Content-Type: {content_type}\r\n")
    });
    format!("Content-Disposition: form-data; name=\"{name}\"{file}\r\n{typed}")
}

/// As browsers write names (WHATWG HTML, multipart form data).
fn in_quotes(name: &str) -> String {
    name.replace('"', "%22")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}
