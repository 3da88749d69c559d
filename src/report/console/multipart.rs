//! A multipart body as people read it: `name=Ada; photo=@cat.png (12 bytes)`.

use super::super::text::count;

/// The parts of a multipart body, each short; `None` where it is no such body. The last part may be cut off.
pub(super) fn parts(body: &str) -> Option<String> {
    let boundary = body.lines().next().filter(|line| line.starts_with("--"))?;
    let mut shown = Vec::new();
    for part in body.split(boundary).skip(1) {
        let Some((head, content)) = part.split_once("\r\n\r\n") else {
            continue;
        };
        let head = head.trim();
        let value = |name: &str| {
            let (_, rest) = head.split_once(&format!(" {name}=\""))?;
            Some(rest.split_once('"')?.0)
        };
        let name = value("name")?;
        let content = content.strip_suffix("\r\n").unwrap_or(content);
        shown.push(match value("filename") {
            Some(file) => format!("{name}=@{file} ({})", count(content.len() as u64, "byte")),
            None => format!("{name}={content}"),
        });
    }
    (!shown.is_empty()).then(|| shown.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_shown_and_not_what_separates_them() {
        let body = "--venomqa-1\r\nContent-Disposition: form-data; name=\"who\"\r\n\r\nAda\r\n--venomqa-1\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"cat.png\"\r\nContent-Type: image/png\r\n\r\n123\r\n--venomqa-1--\r\n";
        let shown = "who=Ada; photo=@cat.png (3 bytes)";
        assert_eq!(parts(body).as_deref(), Some(shown));
        let cut = &body[..body.len() - 20];
        assert!(parts(cut).unwrap().starts_with("who=Ada; photo=@cat.png ("));
    }

    #[test]
    fn other_texts_are_none() {
        for text in ["", "--", "-- a comment\nSELECT 1", "who=Ada"] {
            assert_eq!(parts(text), None, "{text}");
        }
    }
}
